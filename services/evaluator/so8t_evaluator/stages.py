"""The two stages of this service."""

from __future__ import annotations

from so8t_evaluator.evaluating import Inputs, run_evaluation
from so8t_evaluator.importing import write_registry
from so8t_shared.results import Registry
from so8t_shared.stage import StageContext


def import_models(ctx: StageContext) -> None:
    """Both models at every quantisation, ready for the engine."""
    registry = write_registry(
        ctx.config, {"a": ctx.input_dir("convert-a"), "b": ctx.input_dir("convert-b")}, ctx.output_dir
    )
    for model in registry.models:
        ctx.log.info("%s: %s, %d bytes", model.name, model.file, model.size_bytes)


def evaluate(ctx: StageContext) -> None:
    """Ask both models the held-out rows and compare them pair by pair."""
    registry = (ctx.input_dir("import") / "registry.json").read_text(encoding="utf-8")
    inputs = Inputs(
        registry=Registry.model_validate_json(registry),
        converted={"a": ctx.input_dir("convert-a"), "b": ctx.input_dir("convert-b")},
        splits=ctx.input_dir("train") / "splits",
    )

    def report(done: int, total: int, message: str) -> None:
        ctx.progress(done, total, message)
        ctx.check_interrupted()

    result = run_evaluation(ctx.config, inputs, ctx.cache("samples"), report, ctx.output_dir, run=ctx.fingerprint)
    for comparison in result.comparisons:
        ctx.log.info(
            "%s: A %.3f, B %.3f, p %.3g",
            comparison.name,
            comparison.accuracy_a,
            comparison.accuracy_b,
            comparison.mcnemar_p,
        )
