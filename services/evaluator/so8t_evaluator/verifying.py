"""Verifies each model's converted files: what quantization cost on fixed texts, and their tokenizers.

A part of the import stage that never fails a run: what cannot be verified is left out, and the log says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from so8t_engines.hearing import KINDS, Setting, program, texts_sha256
from so8t_engines.protocol import EngineError, NoRoomError
from so8t_engines.verify import has_reference, verify
from so8t_shared.config.model import Config
from so8t_shared.errors import InputError, IntegrityError, NewerFormat
from so8t_shared.json_files import write_json
from so8t_shared.models.gguf_file import read_header
from so8t_shared.progress import Parts, Progress
from so8t_shared.results.conversion import CONVERTED_BY
from so8t_shared.results.registry import ImportedModel, Registry
from so8t_shared.results.sides import SIDES, Side
from so8t_shared.results.verification import VERIFICATIONS, Verification
from so8t_shared.running.context import StageContext
from so8t_shared.tables.quantizations import BASE
from so8t_shared.terminal.gguf_text import verified_line


@dataclass(frozen=True)
class Model:
    """One model's converted files."""

    side: Side
    imported: list[ImportedModel]
    """Every quantization."""
    folder: Path
    others: dict[Path, str]
    """sha256 of each file that gguf.alternatives adds."""

    @property
    def digests(self) -> dict[Path, str]:
        """sha256 of each file."""
        return {self.folder / each.file: each.sha256 for each in self.imported} | self.others

    @property
    def names(self) -> list[str]:
        """The files' names in the document: a file in a folder of its own has it before its name."""
        return [path.relative_to(self.folder).as_posix() for path in self.digests]

    @property
    def texts(self) -> int:
        """Texts that all files are asked."""
        return len(self.digests) * len(KINDS)


def verify_models(ctx: StageContext, registry: Registry, converted: dict[Side, Path]) -> None:
    """Write verify_a.json and verify_b.json, each of a model that has a file in F16, BF16 or F32.

    Model A's is taken over from another session that has the same files. A kill loses at most the file in work.

    Raises:
        IntegrityError: a file is damaged.
    """
    models = [_model(ctx, side, registry, converted[side]) for side in SIDES]
    verifier, left = _Verifier(ctx), list[Model]()
    for model in models:
        if verifier.takes_over(model):
            continue
        if reason := why_not(model, ctx.config):
            ctx.log.info("model %s: files not verified: %s", model.side.upper(), reason)
        else:
            left.append(model)
    verifier.verify(left)


def _model(ctx: StageContext, side: Side, registry: Registry, folder: Path) -> Model:
    imported = [model for model in registry.models if model.model == side]
    _, manifest = ctx.upstream[CONVERTED_BY[side]]
    known = {model.file for model in imported}
    others = {
        folder / path: sha256 for path, sha256 in manifest.content() if path.endswith(".gguf") and path not in known
    }
    return Model(side, imported, folder, others if ctx.config.gguf.alternatives else {})


class _Verifier:
    """Writes what it finds, and what the log says of it."""

    def __init__(self, ctx: StageContext) -> None:
        self._ctx = ctx
        self._setting = Setting(ctx.config.ab_test.threads, ctx.config.device, ctx.unfinished_dir)
        self._shared = ctx.shared_output()

    def takes_over(self, model: Model) -> bool:
        """Whether another session has verified the same files with the same program."""
        try:
            found = Verification.read(self._shared / VERIFICATIONS[model.side]) if self._shared else None
        except (IntegrityError, NewerFormat):  # the former, too, of a model that was not verified there
            return False
        wanted = list(zip(model.names, model.digests.values(), strict=True))
        same = found and [(f.file, f.sha256) for f in found.files] == wanted
        if found is None or not same or (found.program, found.texts_sha256) != (program(), texts_sha256()):
            return False
        self._write(model, found)
        return True

    def verify(self, models: list[Model]) -> None:
        """Verify one model after the other."""
        parts = Parts(self._progress, *(model.texts for model in models[1:]))
        for model in models:
            self._verify(model, parts.next())

    def _progress(self, done: int, total: int, file: str) -> None:
        self._ctx.progress(done, total, f"verifying {file}")
        self._ctx.check_interrupted()

    def _verify(self, model: Model, progress: Progress) -> None:
        try:
            found = verify(list(model.digests), None, progress, setting=self._setting, digests=model.digests)
        except (InputError, EngineError, NoRoomError) as error:
            why = error.what.partition("\n")[0]  # llama.cpp's log may follow
            self._ctx.log.warning("model %s: files not verified: %s; %s", model.side.upper(), why, error.remedy)
            return
        files = [file.model_copy(update={"file": name}) for file, name in zip(found.files, model.names, strict=True)]
        self._write(model, found.model_copy(update={"files": files}))

    def _write(self, model: Model, found: Verification) -> None:
        write_json(self._ctx.output_dir / VERIFICATIONS[model.side], found)
        for file in found.files:
            self._ctx.log.info("KL from %s: %s", found.reference, verified_line(file, lower_bound=found.lower_bound))
            for fault in file.faults:
                self._ctx.log.warning("%s: %s", file.file, fault)


def why_not(model: Model, config: Config) -> str:
    """Return why a model cannot be verified, and what to do; empty if it can be."""
    external = config.model_b if model.side == "b" and config.external_b else None
    if any(each.served for each in model.imported):
        return "it is on an Ollama server; so8t-ab gguf verify takes its GGUF files"
    if has_reference(read_header(path) for path in model.digests):
        return ""
    if external:
        return "its file is not in F16; compare it by so8t-ab gguf verify FILE --reference F16FILE"
    return f"none of its files is in F16; add {BASE} to gguf.quantizations"
