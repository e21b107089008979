"""B's latency over A's: which measurements count, when there is no figure, and what a clause makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from tests.unit.evaluator.judged import ENGINE
from tests.unit.evaluator.material import make_sample

from so8t_evaluator.conclude import Evidence, conclude
from so8t_evaluator.speed import make_speed
from so8t_evaluator.testing_plan import plan_test
from so8t_shared.config.model import AbTest
from so8t_shared.labels import LABELS
from so8t_shared.results.answers import Sample
from so8t_shared.results.asking import Asking
from so8t_shared.results.evaluation import AnswerLimit, EvaluationResult
from so8t_shared.results.latency import LatencyRatio

A_MS = [100.0 + i for i in range(20)]


def _answers(side: str, ms: Sequence[float], **other: Any) -> list[Sample]:
    """Timed answers, then as many that were not timed, whose latency is no measurement."""
    timed = [(x, True) for x in ms] + [(9999.0, False)] * len(ms)
    return [
        make_sample(str(i), LABELS[i % 4], LABELS[i % 4], model=side, latency_ms=x, timed=was, **other)
        for i, (x, was) in enumerate(timed)
    ]


def _evaluation(a: list[Sample], b: list[Sample], *, together: bool = True, **clause: Any) -> EvaluationResult:
    gate = [{"name": "fast", "metric": "latency_ratio", "at_most": 1.2, **clause}]
    settings = AbTest.model_validate({"bootstrap_resamples": 100, "gate": gate})
    speed = [make_speed(samples, peak_memory_bytes=1, file_size_bytes=1, interleaved=together) for samples in (a, b)]
    asking = Asking(
        primary_quantization="q4_k_m", quantizations=["q4_k_m"], scorings=["generate"], engine=ENGINE, speed=speed,
        answer_limit=AnswerLimit(max_new_tokens=48, longest_target_tokens=None),
    )  # fmt: skip
    return conclude(Evidence(asking, [*a, *b], ()), settings)


def _line(a: list[Sample], b: list[Sample], **other: Any) -> LatencyRatio:
    (found,) = _evaluation(a, b, **other).latency_ratios
    return found


def test_median_of_pairs() -> None:
    """Row by row, only of those that were timed; the ends are ratios of rows, as a sign test keeps them."""
    factors = np.random.default_rng(0).uniform(0.9, 1.3, len(A_MS))
    found = _line(_answers("a", A_MS), _answers("b", [x * f for x, f in zip(A_MS, factors, strict=True)]))
    assert found.ratio is not None
    ordered = np.sort(factors)
    assert found.ratio.value == pytest.approx(np.sqrt(ordered[9] * ordered[10]))
    assert (found.ratio.low, found.ratio.high) == pytest.approx((ordered[5], ordered[14]))
    assert (found.ratio.rows, found.ratio.groups, found.disturbed, found.undefined) == (20, 20, 0, "")
    assert found.seconds == pytest.approx(sum(x * (1 + f) for x, f in zip(A_MS, factors, strict=True)) / 1000)


def test_each_models_own_median() -> None:
    """In milliseconds, with order statistics as ends: the 6th and the 15th of 20."""
    found = _line(_answers("a", A_MS), _answers("b", [3 * x for x in A_MS]), together=False)
    assert found.a_ms is not None
    assert found.b_ms is not None
    assert found.a_ms.value == pytest.approx(np.sqrt(A_MS[9] * A_MS[10]))
    assert (found.a_ms.low, found.a_ms.high, found.a_ms.rows) == pytest.approx((A_MS[5], A_MS[14], 20))
    assert found.b_ms.low == pytest.approx(3 * A_MS[5])
    few = _line(_answers("a", A_MS[:3]), _answers("b", A_MS[:3]))
    assert (few.a_ms, few.b_ms) == (None, None)


@pytest.mark.parametrize("side", ["a", "b"])
def test_disturbed_measurements_are_left_out(side: str) -> None:
    """With the other model's to the same row."""
    answers = {"a": _answers("a", A_MS), "b": _answers("b", A_MS)}
    answers[side][0] = answers[side][0].model_copy(update={"disturbed": True, "latency_ms": 1e6})
    found = _line(answers["a"], answers["b"])
    assert found.ratio is not None
    assert (found.ratio.value, found.ratio.high, found.ratio.rows, found.disturbed) == (1, 1, 19, 1)


def test_rows_of_a_group_are_one_measurement() -> None:
    """Its median stands for a group, and groups are counted."""
    groups = [str(i // 3) for i in range(40)]
    a, b = (
        [s.model_copy(update={"group": g}) for s, g in zip(_answers(side, A_MS), groups, strict=True)] for side in "ab"
    )
    b[0] = b[0].model_copy(update={"latency_ms": 1e6})
    found = _line(a, b).ratio
    assert found is not None
    assert (found.value, found.high, found.rows, found.groups) == (1, 1, 20, 7)


@pytest.mark.parametrize(
    ("factor", "result"), [(1.0, "pass"), (1.19, "pass"), (1.21, "fail"), (3.0, "fail"), (None, "undecided")]
)
def test_a_clause(factor: float | None, result: str) -> None:
    """It passes if B's whole interval keeps the bound, fails if none of it does, and is undecided between."""
    factors = np.linspace(0.8, 1.6, 20) if factor is None else np.full(20, factor)
    found = _evaluation(_answers("a", A_MS), _answers("b", [x * f for x, f in zip(A_MS, factors, strict=True)])).gate
    (clause,) = found.clauses
    assert (found.result, clause.result) == (result, result)
    assert clause.settings[0].figure is not None
    assert clause.settings[0].seconds > 4
    assert clause.reason.startswith("q4_k_m generate: B takes ")


@pytest.mark.parametrize("why", ["too few", "not in turns", "not timed"])
def test_undecided(why: str) -> None:
    """Five pairs cannot tell, models that did not take turns differ by what the machine did, and others have none."""
    few = 5 if why == "too few" else 20
    a, b = (_answers(side, A_MS[:few]) for side in "ab")
    if why == "not timed":
        a, b = ([s.model_copy(update={"timed": False}) for s in samples] for samples in (a, b))
    found = _evaluation(a, b, together=why != "not in turns", quantizations="all", scoring="all")
    (clause,) = found.gate.clauses
    assert clause.result == "undecided"
    assert clause.settings[0].figure is None
    expected = {
        "too few": "5 undisturbed groups are too few, 6 are needed",
        "not in turns": "A and B were not timed in turns",
        "not timed": "speed was not measured",
    }
    assert clause.reason == f"q4_k_m generate: {expected[why]}"


@pytest.mark.parametrize(("rows", "can_pass"), [(5, "no"), (6, "unknown")])
def test_plan(rows: int, can_pass: str) -> None:
    """Too few timed rows are known before the run."""
    gate = [{"name": "fast", "metric": "latency_ratio", "at_most": 1.2}]
    settings = AbTest.model_validate({"gate": gate, "speed_samples": rows})
    (clause,) = plan_test([*LABELS] * 20, [str(i) for i in range(80)], settings).clauses
    assert clause.can_pass == can_pass
