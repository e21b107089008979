"""The evaluate stage's work: ask both models everything, then compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from so8t_evaluator.answer_limit import answer_limit, read_targets
from so8t_evaluator.asking import Cache, Candidate, Respondent, as_side, ask_all
from so8t_evaluator.baseline import bag_of_words
from so8t_evaluator.comparison import adjust, compare, make_cell
from so8t_evaluator.engine.choice import open_engine
from so8t_evaluator.engine.protocol import Engine, NoRoomError
from so8t_evaluator.gate import gate_result
from so8t_evaluator.importing import model_file, read_chat
from so8t_evaluator.quantization_loss import quantization_losses
from so8t_evaluator.rows import describe, read_rows, select
from so8t_evaluator.slices import slices_of
from so8t_evaluator.speed import make_speed
from so8t_shared.config.model import AbTest, Config
from so8t_shared.config.values import Quantization, Scoring
from so8t_shared.errors import InputError
from so8t_shared.results.answers import Sample
from so8t_shared.results.comparison import Comparison
from so8t_shared.results.evaluation import EngineInfo, EvaluationResult, Speed
from so8t_shared.results.record import Side
from so8t_shared.results.registry import Registry
from so8t_shared.results.training import TestRow

Report = Callable[[int, int, str], None]

_SIDES: tuple[Side, Side] = ("a", "b")


@dataclass(frozen=True)
class Inputs:
    """Folders of the stages before this one."""

    registry: Registry
    converted: dict[Side, Path]
    splits: Path


@dataclass
class Grid:
    """Asks the whole grid and keeps count."""

    candidates: dict[tuple[Side, Quantization], Candidate]
    rows: list[TestRow]
    engine: Engine
    settings: AbTest
    cache: Cache
    run: str
    report: Report
    total: int
    done: int = 0
    one_at_a_time: bool = False
    """Whether some pair did not fit into memory together, so that drift of the machine did not cancel."""

    def ask_pair(self, quantization: Quantization) -> tuple[list[Sample], list[Speed]]:
        """A and B at one quantisation, side by side; one after the other where memory is too small for both."""
        a, b = (self.candidates[side, quantization] for side in _SIDES)
        same_file = a.file.sha256 == b.file.sha256
        # of one file, A's kept answers would stand in for B's, and a comparison of copies says nothing
        pair = [self._respondent(a), self._respondent(b, salt="b" if same_file else "")]
        done, together = self.done, True
        try:
            samples = ask_all(pair, self.rows, self.settings.scoring, self._count)
        except NoRoomError:
            self.one_at_a_time, self.done, together = True, done, False
            samples = [s for one in pair for s in ask_all([one], self.rows, self.settings.scoring, self._count)]
        return samples, [self._speed(respondent, samples, together) for respondent in pair]

    def ask_control(self, quantization: Quantization) -> list[Sample]:
        """A once more, in reversed order, in a process of its own, nothing taken from memory of the first.

        Nor of an earlier run: the control checks the machine and engine of this one.
        """
        again = self._respondent(self.candidates["a", quantization], salt=f"control {self.run}")
        samples = ask_all([again], self.rows[::-1], self.settings.scoring[:1], self._count)
        return samples[::-1]

    def _respondent(self, candidate: Candidate, salt: str = "") -> Respondent:
        return Respondent(candidate, self.engine, self.settings, self.cache, self.run, salt=salt)

    def _speed(self, respondent: Respondent, samples: Sequence[Sample], together: bool) -> Speed:
        candidate = respondent.candidate
        scoring = "generate" if "generate" in self.settings.scoring else self.settings.scoring[0]
        timed = [s for s in samples if s.scoring == scoring]
        return make_speed(
            [s for s in timed if s.model == candidate.side],
            interleaved=together and _asked_in_the_same_run(timed),
            peak_memory_bytes=respondent.peak_memory_bytes,
            gpu_memory_bytes=respondent.gpu_memory_bytes,
            file_size_bytes=candidate.file.path.stat().st_size,
        )

    def _count(self, sample: Sample) -> None:
        self.done += 1
        self.report(self.done, self.total, f"{sample.quantization} {sample.model} {sample.scoring}")


def run_evaluation(
    config: Config, inputs: Inputs, cache: Cache, report: Report, output: Path, *, run: str
) -> EvaluationResult:
    """Write samples.jsonl and evaluation.json; `report` may raise to stop between two answers.

    `run` names this evaluation; answers first given under another name count as reused.

    Raises:
        InputError: there is no test row, or a model cannot be loaded.
        EngineError: the engine died.
        ServerError: a server does not answer any more.
    """
    limit = answer_limit(config.ab_test, read_targets(inputs.splits))
    settings = config.ab_test.model_copy(update={"max_new_tokens": limit.max_new_tokens})
    test = read_rows(inputs.splits / "test.jsonl")
    rows = select(test, settings.max_samples)
    if not rows:
        raise InputError(
            "There is no test row.", where="the test split of train", remedy="raise dataset.test_fraction, or add rows"
        )
    quantizations = config.gguf.quantizations
    total = len(rows) * (2 * len(quantizations) * len(settings.scoring) + settings.control)
    engine = open_engine(config, lambda message: report(grid.done, total, message))
    grid = Grid(_candidates(config, inputs), rows, engine, settings, cache, run, report, total)
    samples: list[Sample] = []
    speed: list[Speed] = []
    for quantization in quantizations:
        pair_samples, pair_speed = grid.ask_pair(quantization)
        samples += pair_samples
        speed += pair_speed
    primary = config.gguf.primary_quantization
    again = grid.ask_control(primary) if settings.control else []
    comparisons = adjust(_comparisons(samples, quantizations, settings), settings.alpha)
    headline = next(c for c in comparisons if (c.quantization, c.scoring) == (primary, settings.scoring[0]))
    control = _control(samples, again, primary, settings)
    words = bag_of_words(read_rows(inputs.splits / "train.jsonl"), rows, settings.confidence)
    result = EvaluationResult(
        confidence=settings.confidence,
        alpha=settings.alpha,
        primary_quantization=primary,
        primary_scoring=settings.scoring[0],
        test_set=describe(rows),
        engine=_describe_engine(grid),
        answer_limit=limit if "generate" in settings.scoring else None,
        cells=[
            make_cell(_of(samples, side, quantization, scoring), settings.confidence)
            for side in _SIDES
            for quantization in quantizations
            for scoring in settings.scoring
        ],
        speed=speed,
        comparisons=comparisons,
        control=control,
        baseline=words.baseline if words else None,
        baseline_comparison=words.against(_of(samples, "b", primary, settings.scoring[0])) if words else None,
        gate=gate_result(comparisons, headline, control, settings.gate),
        slices=slices_of(rows, samples, primary, settings.scoring[0]),
        quantization_losses=quantization_losses(samples),
    )
    _write(output, samples, result)
    return result


def _asked_in_the_same_run(samples: Sequence[Sample]) -> bool:
    """Whether each row was asked of both models by one run, so that neither's timing is older than the other's."""
    runs: dict[str, set[str]] = {}
    for sample in samples:
        runs.setdefault(sample.row_id, set()).add(sample.run)
    return all(len(found) == 1 for found in runs.values())


def _describe_engine(grid: Grid) -> EngineInfo:
    engine = grid.engine
    settings = {**engine.answer_settings, **engine.speed_settings}
    if grid.one_at_a_time:
        settings["models"] = "asked one after the other"
    return EngineInfo(name=engine.name, version=engine.version, settings=settings)


def _candidates(config: Config, inputs: Inputs) -> dict[tuple[Side, Quantization], Candidate]:
    chats = {side: read_chat(folder) for side, folder in inputs.converted.items()}
    return {
        (m.model, m.quantization): Candidate(
            side=m.model,
            quantization=m.quantization,
            file=model_file(m, inputs.converted[m.model] / m.file, chats[m.model], config.ab_test.num_ctx),
            chat=chats[m.model],
        )
        for m in inputs.registry.models
    }


def _comparisons(
    samples: Sequence[Sample], quantizations: Sequence[Quantization], settings: AbTest
) -> list[Comparison]:
    return [
        compare(
            f"B vs A, {quantization}, {scoring}",
            _of(samples, "a", quantization, scoring),
            _of(samples, "b", quantization, scoring),
            settings,
            family=len(quantizations) * len(settings.scoring),
        )
        for quantization in quantizations
        for scoring in settings.scoring
    ]


def _control(
    samples: Sequence[Sample], again: Sequence[Sample], primary: Quantization, settings: AbTest
) -> Comparison | None:
    if not again:
        return None
    first = _of(samples, "a", primary, settings.scoring[0])
    return compare(f"A vs A, {primary}, {settings.scoring[0]}", first, [as_side(s, "b") for s in again], settings)


def _of(samples: Sequence[Sample], side: Side, quantization: Quantization, scoring: Scoring) -> list[Sample]:
    wanted = (side, quantization, scoring)
    return [s for s in samples if (s.model, s.quantization, s.scoring) == wanted]


def _write(output: Path, samples: Sequence[Sample], result: EvaluationResult) -> None:
    with (output / "samples.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(sample.model_dump_json() + "\n" for sample in samples)
    (output / "evaluation.json").write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
