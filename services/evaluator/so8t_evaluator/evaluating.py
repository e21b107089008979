"""The evaluate stage: read the rows, ask both models, write their answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from so8t_engines.choice import open_engine
from so8t_evaluator.answer_limit import answer_limit, read_targets, with_room
from so8t_evaluator.asking import Candidate
from so8t_evaluator.asking_until import Until, in_random_order
from so8t_evaluator.grid import Count, Grid
from so8t_evaluator.importing import model_file, read_chat
from so8t_evaluator.rows import select
from so8t_shared.artifacts.shelves import Shelves
from so8t_shared.config.model import Config
from so8t_shared.config.validation_rows import demand_validation_rows
from so8t_shared.errors import InputError
from so8t_shared.json_files import write_json, write_lines
from so8t_shared.progress import Progress
from so8t_shared.results.answers import CONTROL_FILE, SAMPLES_FILE, VALIDATION_FILE, Sample
from so8t_shared.results.asking import ASKING_FILE, AskedFile, Asking
from so8t_shared.results.registry import Registry
from so8t_shared.results.sides import SIDES, Side
from so8t_shared.results.training import LabeledRow
from so8t_shared.tables.quantizations import Quantization


@dataclass(frozen=True)
class Inputs:
    """Artifact folders of the previous stages."""

    registry: Registry
    converted: dict[Side, Path]
    splits: Path


def ask_models(
    config: Config,
    inputs: Inputs,
    cache: Shelves,
    progress: Progress,
    output: Path,
    *,
    fingerprint: str,
    session: str = "",
    on_answer: Callable[[Sample, int], None] = lambda sample, rows: None,
) -> Asking:
    """Write samples.jsonl, control.jsonl (A's repeated answers) and asking.json; with ab_test.policy, validation.jsonl.

    Answers first given under another `fingerprint` count as reused. The hosts of the `session` may share the rows.
    `on_answer` gets each answer, and the number of rows that each model is asked in each setting.

    Raises:
        InputError: there are no test rows, or no validation rows where they are needed, or a model cannot be loaded.
        EngineError: the engine died.
        ServerError: a server no longer responds.
    """
    targets, validation = read_targets(inputs.splits), _validation_rows(config, inputs.splits)
    config = with_room(config, inputs.splits)
    settings, limit = config.ab_test, answer_limit(config.ab_test, targets)
    rows = _test_rows(inputs.splits, settings.max_samples)
    until = _until(config, rows, inputs.splits) if settings.until_decided else None
    rows = until.rows if until else rows
    of_each_side = len(config.gguf.quantizations) * len(settings.scoring)
    on_validation = len(validation) * len(SIDES) * len(config.gguf.quantizations)
    total = len(rows) * (len(SIDES) * of_each_side + settings.control) + on_validation
    count = Count(total, progress, lambda s: on_answer(s, len(grid.rows)))
    engine = open_engine(config, count.say, session=session)
    thinks: dict[Side, bool] = {"a": False, "b": targets is not None and targets.thinking}
    grid = Grid(
        _candidates(config, inputs, thinks), rows, engine, settings, cache, fingerprint, count, until, validation
    )
    asked = grid.ask(config.gguf.quantizations, config.gguf.primary_quantization)
    asking = Asking(
        primary_quantization=config.gguf.primary_quantization,
        quantizations=config.gguf.quantizations,
        scorings=settings.scoring,
        engine=asked.engine,
        answer_limit=limit,
        speed=list(asked.speed),
        files=_asked_files(inputs.registry) if settings.policy else None,
        stopped=asked.stopped,
    )
    write_lines(output / SAMPLES_FILE, asked.samples)
    write_lines(output / CONTROL_FILE, asked.again)
    if settings.policy:
        write_lines(output / VALIDATION_FILE, asked.validation)
    write_json(output / ASKING_FILE, asking)
    return asking


def _test_rows(splits: Path, most: int | None) -> list[LabeledRow]:
    rows = select(LabeledRow.read_lines(splits / "test.jsonl"), most)
    if not rows:
        raise InputError(
            "There are no test rows.",
            where="the test split of train",
            remedy="raise dataset.test_fraction, or add rows",
        )
    return rows


def _validation_rows(config: Config, splits: Path) -> list[LabeledRow]:
    """The rows that thresholds are fitted to; none without ab_test.policy."""
    needed = config.ab_test.policy or config.gguf.alternatives
    rows = LabeledRow.read_lines(splits / "validation.jsonl") if needed else []
    demand_validation_rows(config, len(rows))
    return rows if config.ab_test.policy else []


def _asked_files(registry: Registry) -> list[AskedFile]:
    return [AskedFile(model=m.model, quantization=m.quantization, sha256=m.sha256) for m in registry.models]


def _until(config: Config, rows: list[LabeledRow], splits: Path) -> Until:
    from so8t_evaluator.until_decided import decider  # statistics that an asking to the end does not need

    groups = in_random_order(rows, config.ab_test.seed)
    return Until(groups, decider(config, groups, splits), config.ab_test.speed_samples)


def _candidates(
    config: Config, inputs: Inputs, thinks: Mapping[Side, bool]
) -> dict[tuple[Side, Quantization], Candidate]:
    chats = {side: read_chat(folder) for side, folder in inputs.converted.items()}
    return {
        (m.model, m.quantization): Candidate(
            side=m.model,
            quantization=m.quantization,
            file=model_file(m, inputs.converted[m.model] / m.file, chats[m.model], config.ab_test.context),
            chat=chats[m.model],
            thinks=thinks[m.model],
        )
        for m in inputs.registry.models
    }
