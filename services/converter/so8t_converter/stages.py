"""The two stages of this service."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from so8t_converter.convert import Conversion, KeptFiles, convert
from so8t_converter.external import look_at, take
from so8t_converter.metadata import training_metadata
from so8t_converter.output_file import Unfinished
from so8t_converter.served import describe
from so8t_shared.artifacts.digests import written_key
from so8t_shared.canonical import digest
from so8t_shared.config.gguf import PROMPTS
from so8t_shared.models.hf_folder import weight_files
from so8t_shared.models.served import check_served
from so8t_shared.places import gguf_name
from so8t_shared.progress import Progress
from so8t_shared.results.conversion import ConversionResult
from so8t_shared.results.training import TRAINING_ROWS
from so8t_shared.running.context import StageContext


def convert_a(ctx: StageContext) -> None:
    """Convert model A, as the user provided it, to GGUF."""
    model = ctx.config.model_a
    _convert(
        ctx,
        Conversion(
            source=Path(model.base_model),
            name="model_a",
            quantizations=tuple(ctx.config.gguf.quantizations),
            rotation=model.so8t.rotation,
            layers=model.so8t.layers,
            imatrix=_imatrix(ctx),
        ),
    )


def convert_b(ctx: StageContext) -> None:
    """Convert model B, as merged and folded by training, to GGUF; copy or describe an external one."""
    if ctx.config.served_b:
        ctx.say("asking Ollama about the model")
        _tell(ctx, describe(check_served(ctx.config), ctx.output_dir, ctx.log.warning, ctx.check_interrupted))
        return
    if ctx.config.gguf_b:
        look = look_at(Path(ctx.config.gguf_b), ctx.config.gguf.primary_quantization)
        _tell(ctx, take(look, gguf_name("b", look.quantization), ctx.output_dir, _stoppable(ctx)))
        return
    trained = _trained(ctx)
    artifact, _ = ctx.upstream["train"]
    conversion = Conversion(
        source=trained / "merged",
        name="model_b",
        quantizations=tuple(ctx.config.gguf.of_b),
        metadata=training_metadata(trained, artifact.fingerprint),
        imatrix=_imatrix(ctx),
        verify=lambda read: ctx.check_read("train", trained, read),
    )
    _convert(ctx, conversion)
    for each in ctx.config.gguf.made_apart:
        imatrix = _imatrix(ctx) or trained / TRAINING_ROWS if each.imatrix else None
        _convert(ctx, replace(conversion, quantizations=(each.quantization,), imatrix=imatrix), each.folder)


def _imatrix(ctx: StageContext) -> Path | None:
    """The matrix's file, or what to measure one on: training's prompts, never a row of validation or test."""
    wanted = ctx.config.gguf.imatrix
    if wanted == PROMPTS:
        return _trained(ctx) / TRAINING_ROWS
    return Path(wanted) if wanted else None


def _trained(ctx: StageContext) -> Path:
    """What training left; the weights are verified while the conversion reads them."""
    return ctx.input_dir("train", unread="merged/*.safetensors")


def _convert(ctx: StageContext, conversion: Conversion, below: str = "") -> None:
    """Convert to the output folder, or to one `below` it."""
    folder, output, scratch = (each / below for each in (ctx.unfinished_dir, ctx.output_dir, ctx.scratch_dir))
    kept = _Below(ctx.checkpoints, f"{below}-") if below else ctx.checkpoints
    output.mkdir(parents=True, exist_ok=True)
    if conversion.verify:  # what was made of weights that were not verified yet is of no use to others
        folder /= digest([written_key(path) for path in weight_files(conversion.source)])
    unfinished = Unfinished(folder, ctx.fingerprint)
    _tell(ctx, convert(conversion, output, scratch, kept, _stoppable(ctx), unfinished))


@dataclass(frozen=True)
class _Below:
    """The kept files whose names begin alike, under the rest of their names."""

    kept: KeptFiles
    begin: str

    def names(self) -> list[str]:
        return [name.removeprefix(self.begin) for name in self.kept.names() if name.startswith(self.begin)]

    def save(self, name: str, folder: Path) -> None:
        self.kept.save(self.begin + name, folder)

    def load(self, name: str) -> Path:
        return self.kept.load(self.begin + name)


def _stoppable(ctx: StageContext) -> Progress:
    def progress(done: int, total: int, message: str) -> None:
        ctx.progress(done, total, message)
        ctx.check_interrupted()

    return progress


def _tell(ctx: StageContext, result: ConversionResult) -> None:
    for file in result.files:
        ctx.log.info("%s: %d bytes, %s", file.file, file.size_bytes, file.tensor_types)
