"""The two stages of this service."""

from __future__ import annotations

from pathlib import Path

from so8t_evaluator.answer_limit import answer_limit, read_targets, warning_of
from so8t_evaluator.engine.protocol import ModelFile
from so8t_evaluator.evaluating import Inputs, run_evaluation
from so8t_evaluator.importing import model_file, read_chat, save, write_registry
from so8t_shared.results.conversion import CONVERTED_BY
from so8t_shared.results.registry import Registry
from so8t_shared.results.sides import Side
from so8t_shared.running.context import StageContext
from so8t_shared.tables import engines
from so8t_shared.tables.functions import named
from so8t_shared.tables.scorings import freely_written


def import_models(ctx: StageContext) -> None:
    """Prepare both models at every quantization for the engine; for Ollama, also create them on the server."""
    converted = _converted(ctx)
    registry = write_registry(ctx.config, converted, ctx.output_dir, warn=ctx.log.warning)
    for model in registry.models:
        ctx.log.info("%s: %s, %d bytes", model.name, model.file, model.size_bytes)
    prepare = named(engines.BY_NAME[ctx.config.ab_test.engine].prepare)
    if prepare is not None:
        save(prepare(ctx, registry, _files(ctx, registry, converted)), ctx.output_dir)


def _converted(ctx: StageContext) -> dict[Side, Path]:
    return {side: ctx.input_dir(stage) for side, stage in CONVERTED_BY.items()}


def _files(ctx: StageContext, registry: Registry, converted: dict[Side, Path]) -> dict[str, ModelFile]:
    chats = {side: read_chat(folder) for side, folder in converted.items()}
    num_ctx = ctx.config.ab_test.num_ctx
    return {m.name: model_file(m, converted[m.model] / m.file, chats[m.model], num_ctx) for m in registry.models}


def evaluate(ctx: StageContext) -> None:
    """Ask both models the held-out rows and compare the answers pairwise."""
    inputs = Inputs(
        registry=Registry.read(ctx.input_dir("import") / "registry.json"),
        converted=_converted(ctx),
        splits=ctx.input_dir("train") / "splits",
    )

    settings = ctx.config.ab_test
    fault = warning_of(answer_limit(settings, read_targets(inputs.splits)))
    if fault and freely_written(settings.scoring):
        ctx.log.warning("%s", fault)

    def progress(done: int, total: int, message: str) -> None:
        ctx.progress(done, total, message)
        ctx.check_interrupted()

    result = run_evaluation(
        ctx.config, inputs, ctx.cache("samples"), progress, ctx.output_dir, fingerprint=ctx.fingerprint
    )
    for comparison in result.comparisons:
        ctx.log.info(
            "%s: A %.3f, B %.3f, p %.3g",
            comparison.name,
            comparison.accuracy_a,
            comparison.accuracy_b,
            comparison.mcnemar_p,
        )
