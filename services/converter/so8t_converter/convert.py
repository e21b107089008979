"""Converts one model to all its GGUF files in one pass, and goes on where a killed attempt stopped.

torch and transformers, which take seconds to import, are imported only where they are used: an
unconvertible folder is rejected before, and a run that finds all files kept never imports them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from so8t_converter.chat import chat_info
from so8t_converter.checkpoint import Checkpoint, inspect
from so8t_converter.clean_folder import clean_folder
from so8t_converter.imatrix import is_measured_on, read_imatrix, refuse_gates, write_imatrix
from so8t_converter.metadata import Metadata
from so8t_converter.output_file import Unfinished
from so8t_converter.plan import Plan
from so8t_converter.reading import reading
from so8t_shared.artifacts.digests import remember_written
from so8t_shared.config.layers import ALL
from so8t_shared.config.values import Rotation
from so8t_shared.errors import IntegrityError
from so8t_shared.files import link_or_copy, remove_tree, write_atomically
from so8t_shared.models.tokenizer_check import check_soon
from so8t_shared.progress import Progress, no_progress, with_time_left
from so8t_shared.results.conversion import ConversionResult, GgufFile
from so8t_shared.tables.quantizations import Quantization

MEASURED = "imatrix.gguf"
_READING = "measuring the importance matrix"
_DETAILS = "record.json"
"""The file's entry in conversion.json, stored beside the kept file."""


Verify = Callable[[Mapping[Path, str]], None]


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
    """How file names begin, for example model_a."""
    quantizations: tuple[Quantization, ...]
    rotation: Rotation = "cayley"
    """How to interpret the gates of a foreign SO8T checkpoint."""
    layers: str = ALL
    """Which layers of a foreign SO8T checkpoint have gates."""
    metadata: Metadata = field(default_factory=dict)
    """Additional keys of the GGUF files."""
    imatrix: Path | None = None
    """An importance matrix for the quantized files; or a text (.txt), or rows (.jsonl), on which to measure one."""
    verify: Verify | None = None
    """Is told the sha256 of each weight file as it was read, before a GGUF file counts; raises to refuse them."""


class _Run:
    """One attempt at a conversion: the files that no earlier attempt finished, all in one pass."""

    def __init__(
        self,
        conversion: Conversion,
        checkpoint: Checkpoint,
        scratch: Path,
        kept: KeptFiles,
        unfinished: Unfinished | None,
        progress: Progress,
    ) -> None:
        self._conversion = conversion
        self._checkpoint = checkpoint
        self._scratch = scratch
        self._kept = kept
        self._unfinished = unfinished
        self._progress = progress
        self._wanted = list(dict.fromkeys(conversion.quantizations))
        self._done, self._total = 0, len(self._wanted) * len(checkpoint.used)

    def files(self) -> dict[Quantization, tuple[Path, GgufFile]]:
        """Return every GGUF file with its details."""
        there = set(self._kept.names())
        missing = [quantization for quantization in self._wanted if quantization not in there]
        if missing:
            plan = self._plan()
            self._total = len(self._wanted) * len(plan.tensors)
        for quantization in self._wanted:
            if quantization in there:
                self._step(self._total // len(self._wanted), f"{quantization}, kept from an earlier attempt")
        if missing:
            self._make(plan, missing)
        return {quantization: self._load(quantization) for quantization in self._wanted}

    def _step(self, steps: int, message: str) -> None:
        self._done += steps
        self._progress(self._done, self._total, message)

    def _plan(self) -> Plan:
        from so8t_converter.llama_cpp import plan_of

        conversion = self._conversion
        folder = self._scratch / "model"
        if self._checkpoint.foreign:
            from so8t_converter.so8t_checkpoint import ordinary_files

            ordinary_files(self._checkpoint, folder)
        else:
            clean_folder(self._checkpoint.folder, folder)
        plan = plan_of(self._checkpoint, folder, conversion.rotation, conversion.metadata)
        if conversion.imatrix is None:
            return plan
        lengths = {tensor.name: tensor.length for tensor in plan.tensors if len(tensor.shape) > 1}
        return replace(plan, importance=read_imatrix(self._imatrix(conversion.imatrix)).fitting(lengths))

    def _imatrix(self, given: Path) -> Path:
        """Return the matrix's file; one that is measured here is kept for a later attempt."""
        if not is_measured_on(given):
            return given
        refuse_gates(self._checkpoint.folder, self._checkpoint.foreign)
        from so8t_converter.activations import CHUNK_TOKENS, measure

        target = (self._unfinished.folder if self._unfinished else self._scratch) / MEASURED
        if not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            report = with_time_left(lambda done, total, message: self._step(0, message))
            sums = measure(self._checkpoint.folder, given, lambda done, total: report(done, total, _READING))
            part = target.with_suffix(".part")
            write_imatrix(part, sums, [given.name], CHUNK_TOKENS)
            part.replace(target)
        return target

    def _make(self, plan: Plan, quantizations: list[Quantization]) -> None:
        """Write the files, then keep them one by one."""
        from so8t_converter.llama_cpp import write_gguf

        folder = self._unfinished.folder if self._unfinished else self._scratch
        targets = {name: folder / name / f"{self._conversion.name}_{name}.gguf" for name in quantizations}
        for target in targets.values():
            target.parent.mkdir(parents=True, exist_ok=True)
        message = ", ".join(quantizations)
        verify = self._conversion.verify
        with reading(self._checkpoint.starts if verify else {}) as source:
            written = write_gguf(
                self._checkpoint, plan, targets, lambda: self._step(len(targets), message), self._unfinished, source
            )
            if verify:
                self._verify(verify, source.digests())
        for name, target in targets.items():
            remember_written(target, written[name].sha256)
            details = GgufFile(
                file=target.name,
                quantization=name,
                size_bytes=target.stat().st_size,
                sha256=written[name].sha256,
                tensor_types=written[name].types,
            )
            write_atomically(target.parent / _DETAILS, details.model_dump_json(indent=2).encode())
            self._kept.save(name, target.parent)
            self._step(0, f"{name} finished")

    def _verify(self, verify: Verify, read: Mapping[Path, str]) -> None:
        """Leave nothing to go on with that was made of other bytes."""
        try:
            verify(read)
        except IntegrityError:
            if self._unfinished:
                remove_tree(self._unfinished.folder)
            raise

    def _load(self, quantization: Quantization) -> tuple[Path, GgufFile]:
        folder = self._kept.load(quantization)
        details = GgufFile.read(folder / _DETAILS)
        return folder / details.file, details


def convert(
    conversion: Conversion,
    output: Path,
    scratch: Path,
    kept: KeptFiles,
    progress: Progress = no_progress,
    unfinished: Unfinished | None = None,
) -> ConversionResult:
    """Fill `output` with <name>_<quantization>.gguf, chat.json and conversion.json.

    `progress` is called after every tensor and may raise to stop. All files are written in one pass and finish
    together; then each is in `kept`, and is not rebuilt. A pass that ends before loses all it wrote unless it had an
    `unfinished` folder: the next one with the same folder and key then writes only the missing pieces of tensors.

    Raises:
        InputError: the checkpoint cannot be converted.
    """
    started = time.monotonic()
    check_soon(conversion.source / "tokenizer.json")
    checkpoint = inspect(conversion.source, conversion.layers)
    chat = chat_info(checkpoint, _folded(checkpoint, conversion.rotation))
    files = _Run(conversion, checkpoint, scratch, kept, unfinished, progress).files()
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
