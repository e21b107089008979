"""The three stages of this service."""

from __future__ import annotations

from pathlib import Path

from so8t_engines.protocol import ModelFile
from so8t_evaluator.alternatives.asking import ask_alternatives
from so8t_evaluator.answer_limit import answer_limit, read_targets, warning_of, with_room
from so8t_evaluator.evaluating import Inputs, ask_models
from so8t_evaluator.importing import model_file, read_chat, save, write_registry
from so8t_evaluator.ladder.climbing import climb
from so8t_evaluator.tally import Tally
from so8t_shared.json_files import write_json
from so8t_shared.progress import Parts
from so8t_shared.results.comparison import Comparison
from so8t_shared.results.conversion import CONVERTED_BY
from so8t_shared.results.evaluation import EVALUATION_FILE
from so8t_shared.results.policy import POLICY_FILE
from so8t_shared.results.registry import REGISTRY_FILE, Registry
from so8t_shared.results.sides import Side
from so8t_shared.results.training import LabeledRow
from so8t_shared.results.verdicts import WORDS
from so8t_shared.retention.items import read_items
from so8t_shared.running.context import StageContext
from so8t_shared.tables import engines
from so8t_shared.tables.functions import named
from so8t_shared.tables.scorings import freely_written


def import_models(ctx: StageContext) -> None:
    """Prepare both models at every quantization for the engine, and verify their files.

    For Ollama, also create them on the server.
    """
    converted, config = _converted(ctx), with_room(ctx.config, _splits(ctx))
    registry = write_registry(config, converted, ctx.output_dir, warn=ctx.log.warning)
    for model in registry.models:
        ctx.log.info("%s: %s, %d bytes", model.name, model.file, model.size_bytes)
    prepare = named(engines.BY_NAME[ctx.config.ab_test.engine].prepare)
    if prepare is not None:
        save(prepare(ctx, registry, _files(config.ab_test.context, registry, converted)), ctx.output_dir)
    if config.gguf.verify:
        from so8t_evaluator.verifying import verify_models  # the embedded engine, which others do not need

        verify_models(ctx, registry, converted)


def _converted(ctx: StageContext) -> dict[Side, Path]:
    return {side: ctx.input_dir(stage) for side, stage in CONVERTED_BY.items()}


def _files(num_ctx: int, registry: Registry, converted: dict[Side, Path]) -> dict[str, ModelFile]:
    chats = {side: read_chat(folder) for side, folder in converted.items()}
    return {m.name: model_file(m, converted[m.model] / m.file, chats[m.model], num_ctx) for m in registry.models}


def evaluate(ctx: StageContext) -> None:
    """Ask both models the held-out rows."""
    inputs = Inputs(
        registry=Registry.read(ctx.input_dir("import") / REGISTRY_FILE),
        converted=_converted(ctx),
        splits=_splits(ctx),
    )
    settings = ctx.config.ab_test
    fault = warning_of(answer_limit(settings, read_targets(inputs.splits)))
    if fault and freely_written(settings.scoring):
        ctx.log.warning("%s", fault)

    def progress(done: int, total: int, message: str) -> None:
        ctx.progress(done, total, message)
        ctx.check_interrupted()

    items = read_items(settings.retention.rows) if settings.retention else []
    validation = LabeledRow.read_lines(inputs.splits / "validation.jsonl") if ctx.config.gguf.alternatives else []
    compared = (1 + len(ctx.config.gguf.alternatives)) * len(validation)
    parts = Parts(progress, compared, len(items) * len(inputs.registry.models))
    with ctx.cache("samples") as cache:
        tally, output = Tally(ctx.live, settings.confidence), ctx.output_dir
        names = {"fingerprint": ctx.fingerprint, "session": ctx.session_id}
        ask_models(ctx.config, inputs, cache, parts.next(), output, **names, on_answer=tally.add)
        among = parts.next()
        if validation:
            _, manifest = ctx.upstream[CONVERTED_BY["b"]]
            digests = dict(manifest.content())
            ask_alternatives(ctx.config, inputs, validation, cache, among, output, digests=digests, **names)
    if items:
        from so8t_evaluator.retention.scoring import score_references  # the embedded engine, which others do not need

        folder, scoring = ctx.unfinished_dir, parts.next()
        score_references(ctx.config, inputs.registry, inputs.converted, items, folder, scoring, output)
    if settings.ladder:
        climb(ctx, inputs.splits, progress)


def conclude(ctx: StageContext) -> None:
    """Compare the answers and apply the gate; no model is asked."""
    from so8t_evaluator.conclude import conclude_from_files  # a second of statistics that the other stages do not need

    result = conclude_from_files(ctx.input_dir("evaluate"), _splits(ctx), ctx.config.ab_test)
    write_json(ctx.output_dir / EVALUATION_FILE, result)
    if result.policy:
        write_json(ctx.output_dir / POLICY_FILE, result.policy.served())
        for line, outcome_of_it in result.policy.lines():
            (ctx.log.info if outcome_of_it == "met" else ctx.log.warning)("%s", line)
    for line in result.retention.warnings() if result.retention else ():
        ctx.log.warning("%s", line)
    for comparison in result.comparisons:
        ctx.log.info("%s: %s", comparison.name, outcome(comparison))


def outcome(comparison: Comparison) -> str:
    """Return a verdict in words, with the shares of right answers unless too many could not be read."""
    words, of = WORDS[comparison.verdict].clause, comparison.n
    if not comparison.verdict.compared:
        return f"{words} (no class in {comparison.unread_a:,} of A's and {comparison.unread_b:,} of B's {of:,} answers)"
    return f"{words}: A {comparison.accuracy_a:.3f}, B {comparison.accuracy_b:.3f}, p {comparison.p:.3g}"


def _splits(ctx: StageContext) -> Path:
    return ctx.input_dir("train") / "splits"
