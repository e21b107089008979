"""Costs and accuracy at a prevalence, against direct computation."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.evaluator.material import make_samples

from so8t_evaluator.measures import expected_cost, weighted_accuracy
from so8t_evaluator.outcomes import Outcomes, outcomes_of
from so8t_evaluator.stats.mean import mean_interval
from so8t_evaluator.stats.paired import paired_interval
from so8t_shared.config.costs import DEFAULT_COSTS
from so8t_shared.config.model import AbTest
from so8t_shared.labels import LABELS

GOLD = [*["ALLOW"] * 20, *["ESCALATION"] * 5, *["DENY"] * 10, *["REFUSE"] * 5]
PREVALENCE = {"ALLOW": 90, "DENY": 8, "REFUSE": 2}
SETTINGS = AbTest()


def _answers(seed: int, gold: list[str] = GOLD) -> tuple[Outcomes, list[str]]:
    rng = np.random.default_rng(seed)
    said = [g if rng.random() < 0.6 else str(rng.choice([*LABELS, "INVALID"])) for g in gold]
    return outcomes_of(make_samples(gold, said)), said


def _cost(gold: str, said: str) -> float:
    return DEFAULT_COSTS[gold]["ESCALATION" if said == "INVALID" else said]


def test_expected_cost() -> None:
    """The mean over the tested rows; an unread answer costs as much as ESCALATION; the difference is paired."""
    (a, said_a), (b, said_b) = _answers(1), _answers(2)
    assert "INVALID" in said_b
    found = expected_cost(a, b, SETTINGS)
    costs = [np.array([_cost(g, s) for g, s in zip(GOLD, said, strict=True)]) for said in (said_a, said_b)]
    assert found.a == mean_interval(costs[0], a.groups, 0, 20, 0.95)
    assert found.b == mean_interval(costs[1], a.groups, 0, 20, 0.95)
    assert found.difference == mean_interval(costs[1] - costs[0], a.groups, -20, 20, 0.95)


def test_own_costs() -> None:
    """Costs of the configuration count: where only letting harm through costs, the mean is that share."""
    costs = {gold: {said: float(gold == "REFUSE" and said == "ALLOW") for said in LABELS} for gold in LABELS}
    a, said = _answers(3)
    found = expected_cost(a, a, AbTest(costs=costs)).b
    assert found is not None
    assert found.value == pytest.approx(
        sum(g == "REFUSE" and s == "ALLOW" for g, s in zip(GOLD, said, strict=True)) / len(GOLD)
    )


@pytest.mark.parametrize("scale", [1, 0.01])
def test_prevalence(scale: float) -> None:
    """Each class has its weight, whatever their sum; a class without a weight does not count."""
    settings = AbTest(prevalence={label: scale * weight for label, weight in PREVALENCE.items()})
    (a, _), (b, said) = _answers(1), _answers(2)
    right, cost = np.array(GOLD) == said, np.array([_cost(g, s) for g, s in zip(GOLD, said, strict=True)])
    classes = {label: np.array(GOLD) == label for label in PREVALENCE}
    for found, values in ((weighted_accuracy(a, b, settings), right), (expected_cost(a, b, settings), cost)):
        direct = sum(weight / 100 * values[classes[label]].mean() for label, weight in PREVALENCE.items())
        assert found.a and found.b and found.difference  # noqa: PT018 - three intervals
        assert found.b.value == pytest.approx(direct)
        assert found.difference.value == pytest.approx(found.b.value - found.a.value)
        assert found.b.low < direct < found.b.high


def test_the_tested_mix_is_no_weighting() -> None:
    """Where the prevalence is that of the test rows, the figures are the plain ones."""
    settings = AbTest(prevalence={label: float(GOLD.count(label)) for label in LABELS})
    (a, _), (b, _) = _answers(1), _answers(2)
    weighted, plain = expected_cost(a, b, settings).b, expected_cost(a, b, SETTINGS).b
    assert weighted is not None
    assert plain is not None
    assert weighted.value == pytest.approx(plain.value)
    assert weighted.high - weighted.low <= plain.high - plain.low + 1e-9  # the classes' sizes are known


def test_undefined() -> None:
    """Without a prevalence, and where a class with a weight has no row; one with weight 0 may have none."""
    a, _ = _answers(1)
    assert weighted_accuracy(a, a, SETTINGS).b is None
    few, _ = _answers(1, ["ALLOW", "DENY"] * 20)
    for weights, defined in ((PREVALENCE, False), ({"ALLOW": 1, "DENY": 1, "REFUSE": 0}, True)):
        for measure in (weighted_accuracy, expected_cost):
            assert (measure(few, few, AbTest(prevalence=weights)).b is not None) is defined


def test_groups() -> None:
    """Rows in groups widen the intervals; too few groups leave every cost possible."""
    rng = np.random.default_rng(5)
    gold = np.repeat(rng.integers(0, 4, 40), 5).astype(np.int8)
    said = np.repeat(rng.integers(0, 4, 40), 5).astype(np.int8)  # the rows of a group get the same answer
    alone, grouped, few = (Outcomes(gold, said, np.arange(200) // size) for size in (1, 5, 50))
    widths = [found.high - found.low for rows in (alone, grouped) if (found := expected_cost(rows, rows, SETTINGS).b)]
    assert widths[1] > 1.8 * widths[0]
    widest = expected_cost(few, few, SETTINGS).b
    assert widest is not None
    assert (widest.too_few_groups, widest.low, widest.high) == (True, 0, 20)


def test_coverage() -> None:
    """Over simulated data sets, 95 % intervals of the paired cost difference hold the true one (here 0).

    They hold it more often, since half a squared quantile of rows is added at the widest bounds there are.
    """
    rng, hits, sets = np.random.default_rng(8), 0, 1000
    gold = np.repeat(np.arange(4), 30).astype(np.int8)
    for _ in range(sets):
        said = np.where(rng.random((2, 120)) < 0.7, gold, rng.integers(0, 4, (2, 120))).astype(np.int8)
        a, b = (Outcomes(gold, answers, np.arange(120)) for answers in said)
        found = expected_cost(a, b, SETTINGS).difference
        assert found is not None
        hits += found.low <= 0 <= found.high
    assert hits / sets >= 0.935


def test_accuracy_without_weights_is_a_share() -> None:
    """With equal classes and weights, the weighted difference is the paired difference of accuracies."""
    gold = list(LABELS) * 20
    (a, _), (b, _) = _answers(1, gold), _answers(2, gold)
    found = weighted_accuracy(a, b, AbTest(prevalence=dict.fromkeys(LABELS, 1.0))).difference
    expected = paired_interval(b.right.astype(np.int8) - a.right, a.groups, 0.95)
    assert found is not None
    assert found.value == pytest.approx(expected.value)
