"""The verdict, the rates and the gate for answers from two files, by the code of the conclude stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, cast

from so8t_evaluator.compare.faults import Faults, printable, raise_if_any
from so8t_evaluator.compare.log import Answered, Log, read_log
from so8t_evaluator.compare.pairing import Pair, paired
from so8t_evaluator.conclude import Evidence, conclude
from so8t_shared.collector import without_collector
from so8t_shared.config.model import AbTest
from so8t_shared.labels import INVALID
from so8t_shared.results.answers import Sample
from so8t_shared.results.asking import Asking
from so8t_shared.results.compare import ClauseOutcome, CompareGate, CompareResult, LogFile, RateOutcome, SideOutcome
from so8t_shared.results.evaluation import AnswerLimit, EngineInfo, EvaluationResult
from so8t_shared.results.gate import ClauseResult
from so8t_shared.results.sides import SIDES, Side
from so8t_shared.tables import metrics

_QUANTIZATION, _SCORING = "f16", "generate"
"""A log has one setting and does not name it; these names stand for it and are in no result."""

_ASKING = Asking(
    primary_quantization=_QUANTIZATION,
    quantizations=[_QUANTIZATION],
    scorings=[_SCORING],
    engine=EngineInfo(name="log", version="", settings={}),
    answer_limit=AnswerLimit(max_new_tokens=1, longest_target_tokens=None),
    speed=[],
)


def compare_files(
    left: Path, right: Path, settings: AbTest, *, reader: str = "", fields: Mapping[str, str] | None = None
) -> CompareResult:
    """Compare the answers in `right` (B) with those in `left` (A).

    Raises:
        InputError: lists what is wrong with both files.
    """
    with without_collector():
        samples, files = _read(left, right, reader, fields or {})
        evidence = Evidence(asking=_ASKING, samples=samples, again=())
        return result_of(conclude(evidence, _for_one_setting(settings)), files)


def _read(left: Path, right: Path, reader: str, fields: Mapping[str, str]) -> tuple[list[Sample], dict[Side, LogFile]]:
    logs: dict[Side, Log] = {}
    faults = []
    for side, path in zip(SIDES, (left, right), strict=True):
        faults.append(Faults(f"{side.upper()}, {printable(str(path), 200)}"))
        logs[side] = read_log(path, faults[-1], reader=reader, fields=fields)
    faults.append(Faults("A and B"))
    pairs = paired(logs["a"], logs["b"], faults[-1])
    raise_if_any(faults)
    return samples_of(pairs), {side: _file(log) for side, log in logs.items()}


@dataclass(frozen=True, slots=True)
class _LoggedAnswer:
    """What `conclude` reads of a Sample, in a tenth of its memory; what a log does not hold is neutral."""

    model: Side
    row_id: str
    cluster: str
    gold: str
    predicted: str
    language: str
    category: str
    logprobs: dict[str, float] | None
    quantization: ClassVar[str] = _QUANTIZATION
    scoring: ClassVar[str] = _SCORING
    lenient: ClassVar[str] = INVALID
    answer_sha256: ClassVar[str] = ""
    latency_ms: ClassVar[float] = 0.0
    timed: ClassVar[bool] = False
    merged: ClassVar[bool] = False
    over_long: ClassVar[bool] = False
    cut: ClassVar[bool] = False


def samples_of(pairs: Sequence[Pair]) -> list[Sample]:
    """Return A's and then B's answers; ids and groups are numbered, so that long ones cost nothing."""
    numbers: dict[str, str] = {}
    groups = [numbers.setdefault(pair.cluster, str(len(numbers))) for pair in pairs]
    answers = [
        _logged(side, pair, getattr(pair, side), str(place), group)
        for side in SIDES
        for place, (pair, group) in enumerate(zip(pairs, groups, strict=True))
    ]
    return cast("list[Sample]", answers)


def _logged(side: Side, pair: Pair, answer: Answered, row_id: str, group: str) -> _LoggedAnswer:
    return _LoggedAnswer(
        side,
        row_id,
        group,
        answer.gold,
        answer.predicted,
        pair.a.language or pair.b.language or "unknown",
        pair.a.category or pair.b.category or "",
        answer.logprobs,
    )


def _for_one_setting(settings: AbTest) -> AbTest:
    """Let every clause cover the log's only setting, whichever it names."""
    clauses = [c.model_copy(update={"scoring": "all", "quantizations": ["all"]}) for c in settings.gate]
    return settings.model_copy(update={"gate": clauses})


def result_of(evaluation: EvaluationResult, files: dict[Side, LogFile]) -> CompareResult:
    """Return what an evaluation of a single setting says."""
    comparison = evaluation.headline
    difference = comparison.accuracy_difference
    return CompareResult.of_verdict(
        comparison.verdict,
        confidence=evaluation.confidence,
        test=evaluation.test,
        n=comparison.n,
        by_label=evaluation.test_set.by_label,
        groups=difference.groups,
        design_effect=difference.design_effect,
        difference=difference,
        p=comparison.p,
        macro_f1_difference=comparison.macro_f1_difference,
        both_right=comparison.both_right,
        only_a_right=comparison.only_a_right,
        only_b_right=comparison.only_b_right,
        both_wrong=comparison.both_wrong,
        read_from_both=comparison.read_from_both,
        flips=comparison.flips,
        models={
            cell.model: SideOutcome(
                log=files[cell.model],
                accuracy=cell.accuracy,
                macro_f1=cell.macro_f1,
                unread=cell.invalid,
                per_class=cell.per_class,
                confusion=cell.confusion,
            )
            for cell in evaluation.cells
        },
        rates=[RateOutcome(**r.model_dump(include=set(RateOutcome.model_fields))) for r in evaluation.rates],
        gate=CompareGate(
            result=evaluation.gate.result, clauses=[_clause(clause) for clause in evaluation.gate.clauses]
        ),
    )


def _clause(clause: ClauseResult) -> ClauseOutcome:
    (setting,) = clause.settings
    held = metrics.BY_NAME[clause.metric].source == "answers"
    return ClauseOutcome(
        name=clause.name,
        metric=clause.metric,
        bound=clause.bound,
        required=clause.required,
        result=clause.result,
        figure=setting.figure,
        reason=setting.reason if held else "a log of answers does not hold what this figure needs",
    )


def _file(log: Log) -> LogFile:
    return LogFile(path=log.path, reader=log.reader, sha256=log.sha256)
