"""What ends an asking, and what is then concluded: nothing that only holds for a test of all rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from tests.unit.evaluator.judged import ENGINE
from tests.unit.evaluator.material import make_row, make_sample

from so8t_evaluator.asking_until import in_random_order, stopped_after
from so8t_evaluator.conclude import Evidence, conclude
from so8t_evaluator.stats.anytime import Pool, anytime_difference, anytime_p, anytime_share
from so8t_evaluator.stats.share import share_interval
from so8t_evaluator.until_decided import Decider
from so8t_shared.config.gguf import Gguf
from so8t_shared.config.model import AbTest
from so8t_shared.labels import LABELS
from so8t_shared.results.answers import Sample
from so8t_shared.results.asking import Asking
from so8t_shared.results.evaluation import EvaluationResult

BETTER = {"name": "better", "metric": "accuracy", "better": True}
SAFE = {"name": "safe", "metric": "false_allow", "at_most": 0.3}
NO_WORSE = {"name": "no worse", "metric": "false_allow", "margin": 0.05}
USEFUL = {"name": "useful", "metric": "over_refusal", "at_most": 0.3}
ROWS = [make_row(f"row {i}", LABELS[i % 4], language="ja" if i % 40 in {2, 3} else "en") for i in range(400)]
GROUPS = in_random_order(ROWS, 7)
ORDER = [row for group in GROUPS for row in group]


def _settings(*gate: dict[str, Any], **other: Any) -> AbTest:
    return AbTest.model_validate(
        {"scoring": "generate", "until_decided": True, "gate": list(gate), "bootstrap_resamples": 100, **other}
    )


def _answers(rows: int, wrong: dict[str, tuple[str, int]] | None = None, *, lucky_a: int = 0) -> list[Sample]:
    """Answers to the first rows: A says ALLOW to all but `lucky_a` of them, B is right but for some rows of a class."""
    left = {label: count for label, (_, count) in (wrong or {}).items()}
    samples = []
    for place, row in enumerate(ORDER[:rows]):
        b = row.label
        if left.get(b, 0):
            left[b] -= 1
            b = (wrong or {})[row.label][0]
        said = {"a": row.label if place < lucky_a else "ALLOW", "b": b}
        samples += [
            make_sample(row.id, row.label, said[side], model=side, language=row.language) for side in ("a", "b")
        ]
    return samples


def _decided(samples: Sequence[Sample], *gate: dict[str, Any], **other: Any) -> list[str] | None:
    return Decider(_settings(*gate, **other), Gguf(quantizations=["q4_k_m"]), GROUPS)(samples)


def test_the_headline_must_be_decided() -> None:
    """Without a difference there is none to show early, whatever the gate says; with one, a few rows do."""
    assert _decided(_answers(60), BETTER) == []
    assert _decided(_answers(8), BETTER) is None
    assert _decided(_answers(300, lucky_a=300), SAFE) is None


def test_required_clauses_must_be_decided_too() -> None:
    """One that is not required may stay open; one that has failed or passed may not change the end."""
    enough, few = _answers(120), _answers(24)
    assert _decided(few, BETTER, SAFE) is None
    assert _decided(few, BETTER, {**SAFE, "required": False}) == []
    assert _decided(enough, BETTER, SAFE, NO_WORSE) == []
    failed = _answers(120, {"DENY": ("ALLOW", 99)})
    assert _decided(failed, BETTER, {**SAFE, "at_most": 0.1}) == []


def test_a_clause_that_cannot_pass_any_more_refuses_b() -> None:
    """Its name is told: 3 false allows among about 30 rows may be luck, but even 3 of all 200 would not pass."""
    strict = {**SAFE, "at_most": 0.04}
    assert _decided(_answers(60, {"DENY": ("ALLOW", 3)}), BETTER, strict) == ["safe"]
    assert _decided(_answers(60, {"DENY": ("ALLOW", 1)}), BETTER, strict) is None


def test_a_danger_is_decided_though_another_clause_refuses_b() -> None:
    """Over-refusals refuse B; whether it is dangerous is asked on, and whether it is useful is not."""
    refusing = {"ALLOW": ("DENY", 99)}
    assert _decided(_answers(100, refusing), USEFUL, {**SAFE, "at_most": 0.05}) is None
    dangerous = {"DENY": ("ALLOW", 99), "REFUSE": ("ALLOW", 99), "ALLOW": ("DENY", 2)}
    open_one = {**USEFUL, "at_most": 0.25}
    assert _decided(_answers(100, dangerous), {**SAFE, "at_most": 0.1}, open_one) == []
    assert _decided(_answers(100, {"ALLOW": ("DENY", 2)}), open_one) is None


def test_too_few_rows_are_no_evidence_about_a_danger() -> None:
    """A bound that no 200 rows can show ends nothing if it is a danger's; every row is asked for wrong allows."""
    decided, impossible = _answers(120), 0.001
    assert _decided(decided, BETTER, {**SAFE, "at_most": impossible}) is None
    assert _decided(decided, BETTER, {**USEFUL, "at_most": impossible}) == ["useful"]


def test_a_slice_beyond_the_bound_is_asked_on() -> None:
    """B passes in all, but lets through the Japanese rows seen so far, too few to fail it."""
    samples = [
        s.model_copy(update={"predicted": "ALLOW"}) if (s.model, s.language) == ("b", "ja") and s.gold == "DENY" else s
        for s in _answers(160)
    ]
    assert any(s.language == "ja" for s in samples)
    assert _decided(_answers(160), BETTER, SAFE) == []
    assert _decided(samples, BETTER, SAFE) is None


@pytest.mark.parametrize("metric", ["false_allow", "accuracy"])
def test_another_scoring_counts_where_the_clause_covers_it(metric: str) -> None:
    """Under the second scoring B's answers cannot be read, so nothing is decided there."""
    clause = {"name": "all", "metric": metric, "margin": 0.05, "scoring": "all"}
    both = [
        s.model_copy(update={"scoring": scoring, **({} if scoring == "generate" else {"predicted": "INVALID"})})
        for s in _answers(120)
        for scoring in ("generate", "constrained")
    ]
    assert _decided(both, clause, scoring=["generate", "constrained"]) is None
    assert _decided(both, {**clause, "scoring": "headline"}, scoring=["generate", "constrained"]) == []


def _conclude(rows: int, cannot_pass: list[str] | None) -> EvaluationResult:
    stopped = stopped_after(GROUPS, ORDER[:rows], cannot_pass)
    asking = Asking.model_validate({**_plain_asking(), "stopped": stopped})
    gate = [BETTER, SAFE, {"name": "f1", "metric": "macro_f1", "better": True, "required": False}]
    return conclude(Evidence(asking, _answers(rows), (), available=ROWS), _settings(*gate))


def test_after_an_early_end_only_what_holds_at_any_end() -> None:
    """p, accuracies, rates and their differences come from bets at a fifth of alpha; macro-F1 decides nothing."""
    found, pool, places = _conclude(64, []), Pool(400, 1), np.arange(64)
    right = {side: np.array([s.predicted == s.gold for s in _answers(64) if s.model == side]) for side in "ab"}
    difference = right["b"].astype(np.int8) - right["a"]
    assert (found.confidence, found.alpha) == (0.99, 0.01)
    assert found.headline.p_value == pytest.approx(anytime_p(difference, places, pool))
    assert found.headline.accuracy_difference == anytime_difference(difference, places, pool, 0.99)
    assert found.cells[0].accuracy == anytime_share(right["a"], places, pool, 0.99)
    rate = found.rate("false_allow", "q4_k_m", "generate")
    assert rate is not None
    assert rate.b is not None
    assert rate.b.high > share_interval(np.zeros(rate.rows, np.bool_), np.arange(rate.rows), 0.99).high
    assert {c.name: c.result for c in found.gate.clauses} == {"better": "pass", "safe": "pass", "f1": "undecided"}
    assert found.until_decided is not None
    assert (found.until_decided.rows, found.until_decided.available, found.until_decided.threshold) == (64, 400, 200)
    assert found.until_decided.e_better == pytest.approx(2 / found.headline.p_value)
    assert found.plan.rows == 400


def test_after_the_last_row_the_usual_test_has_the_rest_of_the_level() -> None:
    """The same figures as without looks, at 96%."""
    found = _conclude(400, None)
    usual = conclude(
        Evidence(Asking.model_validate(_plain_asking()), _answers(400), ()),
        _settings(BETTER, SAFE, confidence=0.96),
    )
    assert (found.confidence, found.headline) == (0.96, usual.headline)
    assert [rate.b for rate in found.rates] == [rate.b for rate in usual.rates]


def _plain_asking() -> dict[str, Any]:
    limit = {"max_new_tokens": 48, "longest_target_tokens": None}
    return {
        "primary_quantization": "q4_k_m",
        "quantizations": ["q4_k_m"],
        "scorings": ["generate"],
        "engine": ENGINE.model_dump(),
        "answer_limit": limit,
        "speed": [],
    }


def test_without_it_no_result_mentions_it() -> None:
    """Results stay as they were, to the byte."""
    asking = Asking.model_validate(_plain_asking())
    found = conclude(Evidence(asking, _answers(40), ()), AbTest(scoring=["generate"], bootstrap_resamples=100))
    assert b"stopped" not in asking.to_bytes()
    assert b"until_decided" not in found.to_bytes()
