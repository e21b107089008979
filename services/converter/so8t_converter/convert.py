"""Converts one model to all its GGUF files; resumable file by file.

torch and transformers, which take seconds to import, are imported only where they are used: an
unconvertible folder is rejected before, and a run that finds its F16 file kept never imports them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from so8t_converter.chat import chat_info
from so8t_converter.checkpoint import Checkpoint, inspect
from so8t_converter.clean_folder import clean_folder
from so8t_converter.metadata import Metadata
from so8t_converter.quantize import quantize
from so8t_shared.config.layers import ALL
from so8t_shared.config.values import Rotation
from so8t_shared.files import link_or_copy, sha256_file, write_atomically
from so8t_shared.progress import Progress, no_progress
from so8t_shared.results.conversion import ConversionResult, GgufFile
from so8t_shared.tables.quantizations import BASE, BY_NAME, Quantization

_DETAILS = "record.json"
"""The file's entry in conversion.json, stored beside the kept file."""


class KeptFiles(Protocol):
    """Storage in which finished files survive a kill; see so8t_shared.artifacts.checkpoints.Checkpoints."""

    def names(self) -> list[str]: ...

    def save(self, name: str, folder: Path) -> None: ...

    def load(self, name: str) -> Path: ...


@dataclass(frozen=True)
class Conversion:
    """The source and targets of a conversion."""

    source: Path
    """A Hugging Face folder."""
    name: str
    """File name prefix, for example model_a."""
    quantizations: tuple[Quantization, ...]
    rotation: Rotation = "cayley"
    """How to interpret the gates of a foreign SO8T checkpoint."""
    layers: str = ALL
    """Which layers of a foreign SO8T checkpoint have gates."""
    metadata: Metadata = field(default_factory=dict)
    """Additional keys of the GGUF files."""


class _Steps:
    """Counts tensors over all files and reports each to `progress`."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._done, self._total, self._progress = 0, total, progress
        self.message = ""

    def __call__(self) -> None:
        self._done = min(self._done + 1, self._total)
        self._progress(self._done, self._total, self.message)

    def skip(self, tensors: int, message: str) -> None:
        self._done = min(self._done + tensors, self._total)
        self._progress(self._done, self._total, message)


class _Run:
    """One attempt at a conversion."""

    def __init__(
        self,
        conversion: Conversion,
        checkpoint: Checkpoint,
        scratch: Path,
        kept: KeptFiles,
        progress: Progress,
    ) -> None:
        self._conversion = conversion
        self._checkpoint = checkpoint
        self._scratch = scratch
        self._kept = kept
        self._kept_before = set(kept.names())
        self._finished: set[str] = set()
        files = len({BASE, *conversion.quantizations}) + checkpoint.foreign
        self._tensors = len(checkpoint.used)
        self._steps = _Steps(files * self._tensors, progress)

    def file(self, quantization: Quantization) -> tuple[Path, GgufFile]:
        """Return the GGUF file and its details; create it unless an earlier attempt finished it."""
        if quantization in self._kept_before:
            self._kept_before.remove(quantization)
            self._finished.add(quantization)
            self._steps.skip(self._tensors, f"{quantization}, kept from an earlier attempt")
        if quantization not in self._finished:
            self._make(quantization)
            self._finished.add(quantization)
        folder = self._kept.load(quantization)
        details = GgufFile.read(folder / _DETAILS)
        return folder / details.file, details

    def _make(self, quantization: Quantization) -> None:
        folder = self._scratch / quantization
        folder.mkdir()
        target = folder / f"{self._conversion.name}_{quantization}.gguf"
        if BY_NAME[quantization].from_checkpoint:
            types = self._write(quantization, target)
        else:
            source, _ = self.file(BASE)
            self._steps.message = quantization
            types = quantize(source, target, quantization, self._steps)
        details = GgufFile(
            file=target.name,
            quantization=quantization,
            size_bytes=target.stat().st_size,
            sha256=sha256_file(target),
            tensor_types=dict(sorted(types.items())),
        )
        write_atomically(folder / _DETAILS, details.model_dump_json(indent=2).encode())
        self._kept.save(quantization, folder)

    def _write(self, quantization: Quantization, target: Path) -> dict[str, int]:
        from so8t_converter.llama_cpp import write_gguf

        folder = self._clean_model()
        self._steps.message = quantization
        return write_gguf(self._checkpoint, folder, target, quantization, self._steps, self._conversion.metadata)

    def _clean_model(self) -> Path:
        """Return an ordinary checkpoint, created on first use."""
        folder = self._scratch / "model"
        if folder.exists():
            return folder
        if self._checkpoint.foreign:
            from so8t_converter.so8t_checkpoint import restore

            self._steps.message = "folding the gates"
            restore(self._checkpoint, folder, self._conversion.rotation, self._steps)
        else:
            clean_folder(self._checkpoint.folder, folder)
        return folder


def convert(
    conversion: Conversion,
    output: Path,
    scratch: Path,
    kept: KeptFiles,
    progress: Progress = no_progress,
) -> ConversionResult:
    """Fill `output` with <name>_<quantization>.gguf, chat.json and conversion.json.

    `progress` is called after every tensor and may raise to stop; files finished by then are in `kept`
    and are not rebuilt. The F16 file, from which the others are made, is kept even if it was not requested.

    Raises:
        InputError: the checkpoint cannot be converted.
    """
    started = time.monotonic()
    checkpoint = inspect(conversion.source, conversion.layers)
    chat = chat_info(checkpoint, _folded(checkpoint, conversion.rotation))
    run = _Run(conversion, checkpoint, scratch, kept, progress)
    base_first = sorted(conversion.quantizations, key=lambda quantization: quantization != BASE)
    files = {quantization: run.file(quantization) for quantization in base_first}
    for path, _ in files.values():  # linked last, because a new link invalidates remembered digests
        link_or_copy(path, output / path.name)
    result = ConversionResult(
        files=[files[quantization][1] for quantization in conversion.quantizations],
        seconds=round(time.monotonic() - started, 3),
    )
    write_atomically(output / "chat.json", chat.model_dump_json(indent=2).encode())
    write_atomically(output / "conversion.json", result.model_dump_json(indent=2).encode())
    return result


def _folded(checkpoint: Checkpoint, rotation: Rotation) -> dict[str, str | int | float]:
    if not checkpoint.foreign:
        return {}
    from so8t_converter.so8t_checkpoint import describe_gates

    return describe_gates(checkpoint, rotation)
