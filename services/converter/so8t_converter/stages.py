"""The two stages of this service."""

from __future__ import annotations

from pathlib import Path

from so8t_converter.convert import Conversion, convert
from so8t_converter.external import take_gguf
from so8t_converter.metadata import training_metadata
from so8t_converter.output_file import Unfinished
from so8t_shared.progress import Progress
from so8t_shared.results.conversion import ConversionResult
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
        ),
    )


def convert_b(ctx: StageContext) -> None:
    """Convert model B, as merged and folded by training, to GGUF; one that is a GGUF file already is copied."""
    given = ctx.config.model_b.gguf if ctx.config.model_b else None
    if given:
        _log(ctx, take_gguf(Path(given), ctx.config.gguf.primary_quantization, ctx.output_dir, _progress(ctx)))
        return
    trained = ctx.input_dir("train")
    artifact, _ = ctx.upstream["train"]
    conversion = Conversion(
        source=trained / "merged",
        name="model_b",
        quantizations=tuple(ctx.config.gguf.quantizations),
        metadata=training_metadata(trained, artifact.fingerprint),
    )
    _convert(ctx, conversion)


def _convert(ctx: StageContext, conversion: Conversion) -> None:
    unfinished = Unfinished(ctx.unfinished_dir, ctx.fingerprint)
    result = convert(conversion, ctx.output_dir, ctx.scratch_dir, ctx.checkpoints, _progress(ctx), unfinished)
    _log(ctx, result)


def _progress(ctx: StageContext) -> Progress:
    def progress(done: int, total: int, message: str) -> None:
        ctx.progress(done, total, message)
        ctx.check_interrupted()

    return progress


def _log(ctx: StageContext, result: ConversionResult) -> None:
    for file in result.files:
        ctx.log.info("%s: %d bytes, %s", file.file, file.size_bytes, file.tensor_types)
