"""The plan of a test, against simulated tests by the functions that judge, and against the gate itself."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any

import numpy as np
import pytest
from tests.unit.reporter.builders import Evaluation, Scenario

from so8t_evaluator.stats.paired import paired_interval, paired_p
from so8t_evaluator.stats.share import share_interval
from so8t_evaluator.testing_plan import plan_rows, plan_test
from so8t_shared.config.gate import DEFAULT_GATE, Clause
from so8t_shared.config.model import AbTest
from so8t_shared.labels import LABELS
from so8t_shared.results.gate import Decision
from so8t_shared.results.plan import Passable, PlannedClause, TestPlan, needs
from so8t_shared.results.training import LabeledRow

DRAWS = 4000
NEAR = 0.03
"""Four and a half standard errors of a simulated 80%."""
OWN_ROWS = ["ALLOW"] * 5 + ["ESCALATION", "DENY", "REFUSE"] * 4
"""17 rows, a fifth of 84."""
BOUNDED = [c for c in DEFAULT_GATE if c.metric != "control" and not c.better]


def _plan(gold: list[str], per_group: int = 1, **settings: Any) -> TestPlan:
    """The plan for these rows, `per_group` of each class in a group."""
    seen = dict.fromkeys(LABELS, 0)
    groups = []
    for label in gold:
        groups.append(f"{label} {seen[label] // per_group}")
        seen[label] += 1
    return plan_test(gold, groups, AbTest(**settings))


def _clause(plan: TestPlan, name: str) -> PlannedClause:
    return next(c for c in plan.clauses if c.name == name)


def _share_of(shown: Callable[[np.ndarray], bool], chances: list[float], rows: int) -> float:
    """The share of simulated tests that show something; rows that stand alone, so only the counts matter."""
    draws = np.random.default_rng(3).multinomial(rows, chances, size=DRAWS)
    kinds, counts = np.unique(draws, axis=0, return_counts=True)
    return sum(int(count) for kind, count in zip(kinds, counts, strict=True) if shown(kind)) / DRAWS


def _differences(kind: np.ndarray) -> np.ndarray:
    """Rows lost, gained, and equal, as one array."""
    return np.repeat(np.array([-1, 1, 0], np.int8), kind)


@pytest.mark.parametrize("clause", [c for c in BOUNDED if c.margin], ids=lambda clause: clause.name)
def test_the_rows_that_a_margin_needs(clause: Clause) -> None:
    """With so many rows, a B that is as good as A passes four times out of five."""
    n = _clause(_plan(OWN_ROWS), clause.name).rows_needed
    assert n is not None
    alone = np.arange(n)
    assert clause.margin is not None
    bound = -clause.margin
    found = _share_of(lambda kind: paired_interval(_differences(kind), alone, 0.95).low > bound, [0.1, 0.1, 0.8], n)
    assert found == pytest.approx(0.8, abs=NEAR)


@pytest.mark.parametrize(
    "clause",
    [
        *(c for c in BOUNDED if not c.margin),
        Clause(name="many are right", metric="accuracy", at_least=0.9),
        Clause(name="hardly any is allowed", metric="false_allow", at_most=0.005),
    ],
    ids=lambda clause: clause.name,
)
def test_the_rows_that_a_bound_needs(clause: Clause) -> None:
    """A B with the assumed rate passes four times out of five from here on, but not with one row less.

    With few rows the chance jumps by more than 3%, so it is not 80% at any number of rows.
    """
    planned = _plan(OWN_ROWS, gate=[clause]).clauses[0]
    n, rate, at_most = planned.rows_needed, planned.assumed_rate, clause.at_most
    assert n is not None
    assert rate == pytest.approx(0.975 if at_most is None else at_most / 4)

    def found(rows: int) -> float:
        def shown(kind: np.ndarray) -> bool:
            interval = share_interval(np.arange(rows) < kind[0], np.arange(rows), 0.95)
            return interval.low >= (clause.at_least or 0.0) if at_most is None else interval.high <= at_most

        return _share_of(shown, [rate, 1 - rate], rows)

    assert found(n - 1) < 0.8 + NEAR
    assert all(found(rows) > 0.8 - NEAR for rows in (n, ceil(1.1 * n), ceil(1.25 * n)))


@pytest.mark.parametrize(("rows", "disagreement", "minimal"), [(120, 0.2, 0.15), (600, 0.3, 0.05)])
def test_differences(rows: int, disagreement: float, minimal: float) -> None:
    """The smallest difference is found four times out of five, and so is the minimal one on the rows that it needs."""
    gold = (list(LABELS) * rows)[:rows]
    plan = _plan(gold, assumed_disagreement=disagreement, minimal_difference=minimal)
    assert plan.smallest_difference is not None
    assert plan.rows_needed is not None
    for difference, n in ((plan.smallest_difference, rows), (minimal, plan.rows_needed)):
        chances = [(disagreement - difference) / 2, (disagreement + difference) / 2, 1 - disagreement]
        alone = np.arange(n)
        found = _share_of(lambda kind, alone=alone: paired_p(_differences(kind), alone) < 0.05, chances, n)
        assert found == pytest.approx(0.8, abs=NEAR)
    assert _clause(plan, "B is better").finds == plan.smallest_difference


def test_one_s_own_84_rows() -> None:
    """17 test rows: what is needed, what there is, and that the gate cannot pass."""
    plan = _plan(OWN_ROWS)
    assert (plan.rows, plan.groups, plan.smallest_difference, plan.gate_can_pass) == (17, 17, None, False)
    stopped = _clause(plan, "harmful requests are stopped")
    assert (stopped.rows, stopped.rows_needed, stopped.can_pass) == (8, 99, Passable.NO)
    assert f"{plan.rows_needed:,} rows are needed, and there are 17" in plan.reach
    assert plan.rows_for_gate is not None
    assert f"At this mix of classes, {plan.rows_for_gate:,} rows are needed; there are 17." in plan.verdict
    enough = [label for label in OWN_ROWS for _ in range(-(-plan.rows_for_gate // 17))]
    assert not [c for c in _plan(enough).clauses if c.required and c.short]


@pytest.mark.parametrize("size", [2, 8, 40, 90, 400])
def test_can_pass_is_what_the_gate_says(size: int) -> None:
    """Two perfect models pass the clauses that say yes; a perfect B over a hopeless A also passes "if better"."""
    support = dict.fromkeys(LABELS, size)
    common: dict[str, Any] = {
        "quantizations": ("q8_0",),
        "scorings": ("constrained",),
        "support": support,
        "baseline": False,
    }
    for skill_a, passing in ((2.0, {Passable.YES}), (-1.0, {Passable.YES, Passable.IF_BETTER})):
        found = Evaluation(Scenario(skill_a=skill_a, skill_b=2.0, **common)).result()
        for planned, judged in zip(found.plan.clauses, found.gate.clauses, strict=True):
            if planned.can_pass not in passing:
                assert judged.result != Decision.PASS, planned.name
            elif planned.can_pass == Passable.YES or planned.metric == "accuracy":
                assert judged.result == Decision.PASS, planned.name


def test_groups_need_more_rows() -> None:
    """Rows of a group count for less; what is needed is said in rows and in groups."""
    gold = list(LABELS) * 30
    alone, threes = _plan(gold), _plan(gold, per_group=3)
    assert (alone.groups, threes.groups) == (120, 40)
    for one, other in zip(alone.clauses, threes.clauses, strict=True):
        if one.rows_needed is not None:
            assert other.rows_needed is not None
            assert other.rows_needed > one.rows_needed
            assert (one.groups_needed, other.groups_needed) == (one.rows_needed, -(-other.rows_needed // 3))
    assert "have a correlation of 0.3" in threes.assumption
    assert "correlation" not in alone.assumption


def test_too_few_groups() -> None:
    """Five groups decide nothing, however large they are."""
    plan = _plan(["ALLOW"] * 500, per_group=100, gate=[Clause(name="x", metric="over_refusal", at_most=0.5)])
    assert (plan.clauses[0].can_pass, plan.clauses[0].reason) == (Passable.NO, "5 groups are too few")
    assert plan.smallest_difference is None


@pytest.mark.parametrize(
    ("clause", "reason"),
    [
        ({"metric": "recall_deny", "margin": 0.1}, "no test row has such a class"),
        ({"metric": "control", "at_most": 0}, "ab_test.control is off"),
        ({"metric": "accuracy", "margin": 0.1, "scoring": "constrained"}, "constrained is not in ab_test.scoring"),
        ({"metric": "over_refusal", "at_most": 0}, "even 0 of 200 rows leave up to 1.9% possible"),
        ({"metric": "false_allow", "at_most": 0.1}, "no test row has the class DENY"),
    ],
)
def test_what_cannot_pass(clause: dict[str, Any], reason: str) -> None:
    """The reason is said, and an advisory clause does not keep the gate from passing."""
    for required in (True, False):
        named = Clause(name="x", required=required, **clause)
        plan = _plan(["ALLOW", "REFUSE"] * 200, gate=[named], control=False, scoring=["generate"])
        assert (plan.clauses[0].can_pass, plan.clauses[0].reason) == (Passable.NO, reason)
        assert plan.gate_can_pass is not required


def test_what_is_not_planned() -> None:
    """A figure that is not a share of rows is called unknown, not possible or impossible."""
    plan = _plan(OWN_ROWS, gate=[Clause(name="x", metric="expected_cost", margin=0.1)])
    assert (plan.clauses[0].can_pass, needs(plan.clauses[0]), plan.gate_can_pass) == (Passable.UNKNOWN, "-", True)


def test_the_rows_that_are_asked() -> None:
    """ab_test.max_samples limits them; a row without a group stands alone."""
    rows = [LabeledRow(id=f"{i:016x}", text=str(i), label=LABELS[i % 4], group="g" if i < 8 else "") for i in range(80)]
    assert (plan_rows(rows, AbTest()).rows, plan_rows(rows, AbTest()).groups) == (80, 73)
    assert plan_rows(rows, AbTest(max_samples=20)).by_label == dict.fromkeys(LABELS, 5)
