"""Clauses of the gate, costs and prevalence: what is accepted, and what is refused with what to write instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.shared.config.conftest import MINIMAL, Refused, keys_of, write

from so8t_shared.config.costs import DEFAULT_COSTS
from so8t_shared.config.gate import DEFAULT_GATE, Clause
from so8t_shared.config.load import load_config
from so8t_shared.config.model import AbTest
from so8t_shared.labels import LABELS
from so8t_shared.tables import metrics


def _file(tmp_path: Path, **ab_test: Any) -> Path:
    return write(tmp_path, MINIMAL + yaml.safe_dump({"ab_test": ab_test}))


@pytest.mark.parametrize(
    "clause",
    [
        {"name": "x", "metric": "accuracy"},
        {"name": "x", "metric": "accuracy", "better": True, "margin": 0.1},
        {"name": "x", "metric": "accuracy", "better": False},
        {"name": "x", "metric": "accuracy", "at_most": 0.5},
        {"name": "x", "metric": "false_allow", "at_least": 0.5},
        {"name": "x", "metric": "escalation_rate", "margin": 0.5},
        {"name": "x", "metric": "control", "margin": 0.5},
        {"name": "x", "metric": "baseline_gain", "at_least": 0.5},
        {"name": "x", "metric": "false_allow", "at_most": 5},
        {"name": "x", "metric": "accuracy", "margin": -0.1},
        {"name": "x", "metric": "expected_cost", "at_most": -1},
        {"name": "x", "metric": "false_alow", "at_most": 0.1},
        {"name": "", "metric": "false_allow", "at_most": 0.1},
        {"metric": "false_allow", "at_most": 0.1},
        {"name": "x", "metric": "false_allow", "at_most": 0.1, "quantizations": []},
        {"name": "x", "metric": "false_allow", "at_most": 0.1, "quantizations": "q4_k"},
        {"name": "x", "metric": "false_allow", "at_most": 0.1, "scoring": "al"},
    ],
)
def test_clauses_that_cannot_work(tmp_path: Path, clause: dict[str, Any], refused: Refused) -> None:
    """A bound that is missing, twofold, in percent or on the wrong side is no bound."""
    keys = keys_of(refused(_file(tmp_path, gate=[clause])))
    assert {key[: len("ab_test.gate.0")] for key in keys} == {"ab_test.gate.0"}


def test_two_clauses_of_one_name(tmp_path: Path, refused: Refused) -> None:
    """Names tell clauses apart in results and in JUnit."""
    clause = {"name": "x", "metric": "false_allow", "at_most": 0.1}
    assert keys_of(refused(_file(tmp_path, gate=[clause, {**clause, "at_most": 0.2}]))) == ["ab_test.gate"]


@pytest.mark.parametrize("former", [{"require": "not_worse", "accuracy_margin": 0.05}, {"recall_margin": 0.05}, {}])
def test_the_gate_of_version_0_1(tmp_path: Path, former: dict[str, Any], refused: Refused) -> None:
    """Its keys are refused with the clauses to write instead."""
    assert keys_of(refused(_file(tmp_path, gate=former))) == ["ab_test.gate"]


def test_a_gate_of_ones_own(tmp_path: Path) -> None:
    """It replaces the default; quantizations may be one word, in capitals."""
    clause = {"name": "x", "metric": "false_allow", "at_most": 0, "quantizations": "Q4_K_M", "required": False}
    (found,) = load_config(_file(tmp_path, gate=[clause])).ab_test.gate
    assert (found.at_most, found.quantizations, found.scoring, found.required) == (0, ["q4_k_m"], "headline", False)
    assert load_config(_file(tmp_path, gate=[])).ab_test.gate == []


def test_the_default() -> None:
    """It has absolute bounds on the dangers, relative ones, the control and the baseline; and survives a file."""
    clauses = AbTest().gate
    assert clauses == list(DEFAULT_GATE)
    assert [Clause.model_validate(clause.model_dump(mode="json")) for clause in clauses] == clauses
    required = {(c.metric, next(b for b in metrics.BY_NAME[c.metric].bounds if getattr(c, b) is not None))
                for c in clauses if c.required}  # fmt: skip
    assert required >= {
        ("false_allow", "at_most"), ("escalation_allowed", "at_most"), ("over_refusal", "at_most"),
        ("false_allow", "margin"), ("over_refusal", "margin"), ("accuracy", "better"), ("accuracy", "margin"),
        ("control", "at_most"), ("baseline_gain", "better"),
    }  # fmt: skip


@pytest.mark.parametrize("row", metrics.ROWS, ids=lambda row: row.name)
def test_every_metric(row: metrics.Row) -> None:
    """Its bounds are those that a clause accepts, and its explanation is two plain sentences."""
    for bound in ("at_most", "at_least", "margin", "better"):
        clause = {"name": "x", "metric": row.name, bound: True if bound == "better" else 0.1}
        if bound in row.bounds:
            Clause.model_validate(clause)
        else:
            with pytest.raises(ValueError, match="cannot guard"):
                Clause.model_validate(clause)
    sentences = row.explanation.rstrip(".").split(". ")
    assert len(sentences) == 2
    assert all(len(sentence.split()) <= 24 for sentence in sentences)


@pytest.mark.parametrize(
    "costs",
    [
        {},
        {label: dict.fromkeys(LABELS, 1) for label in LABELS[:3]},
        {**DEFAULT_COSTS, "DENY": {"ALLOW": 1}},
        {**DEFAULT_COSTS, "DENY": {**DEFAULT_COSTS["DENY"], "INVALID": 1}},
        {**DEFAULT_COSTS, "DENY": {**DEFAULT_COSTS["DENY"], "ALLOW": -1}},
    ],
)
def test_costs_that_are_incomplete(tmp_path: Path, costs: dict[str, Any], refused: Refused) -> None:
    """Every class needs a cost for every answer, none below 0."""
    (key,) = keys_of(refused(_file(tmp_path, costs=costs)))
    assert key.startswith("ab_test.costs")


@pytest.mark.parametrize("prevalence", [{}, {"ALLOW": 0}, {"ALOW": 1}, {"ALLOW": 2, "DENY": -1}])
def test_prevalence_that_is_none(tmp_path: Path, prevalence: dict[str, Any], refused: Refused) -> None:
    """Weights are of known classes, none below 0, one above."""
    (key,) = keys_of(refused(_file(tmp_path, prevalence=prevalence)))
    assert key.startswith("ab_test.prevalence")


def test_right_answers_cost_nothing() -> None:
    """By default; letting harm through costs the most, and no wrong answer is free."""
    for gold, row in DEFAULT_COSTS.items():
        assert row[gold] == 0
        assert min(cost for said, cost in row.items() if said != gold) > 0
    assert max(cost for row in DEFAULT_COSTS.values() for cost in row.values()) == DEFAULT_COSTS["REFUSE"]["ALLOW"]


@pytest.mark.parametrize(
    "clause",
    [{"metric": "macro_f1", "better": True}, {"metric": "false_allow", "at_most": 0.1, "scoring": "constrained"}],
)
def test_clauses_that_no_early_end_decides(tmp_path: Path, clause: dict[str, Any], refused: Refused) -> None:
    """One that is required and is not decided before the last row would make until_decided useless."""
    needed, free = {"name": "x", **clause}, {"name": "x", **clause, "required": False}
    (key,) = keys_of(refused(_file(tmp_path, gate=[needed], until_decided=True)))
    assert key.startswith("ab_test")
    assert load_config(_file(tmp_path, gate=[free], until_decided=True)).ab_test.until_decided
    assert not load_config(_file(tmp_path, gate=[needed])).ab_test.until_decided
