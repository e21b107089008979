"""What is concluded from answers, whoever gave them: the grid's order, what decides, what is left out."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.evaluator.material import make_samples

from so8t_evaluator.conclude import Evidence, conclude
from so8t_shared.config.model import AbTest
from so8t_shared.labels import LABELS
from so8t_shared.results.asking import Asking
from so8t_shared.results.evaluation import AnswerLimit, EngineInfo, EvaluationResult
from so8t_shared.results.sides import SIDES

GOLD = [LABELS[i % 4] for i in range(24)]
QUANTIZATIONS = ["f16", "q4_k_m"]
LIMIT = AnswerLimit(max_new_tokens=48, longest_target_tokens=None)
ENGINE = EngineInfo(name="none", version="0", settings={})


def _said(side: str, scoring: str) -> list[str]:
    """B is right on every row under generate, on half of the rows otherwise; A says ALLOW to all of them."""
    if side == "a":
        return ["ALLOW"] * len(GOLD)
    return GOLD if scoring == "generate" else [*GOLD[:12], *["ALLOW"] * 12]


def _conclude(*, control: bool = True, **settings: Any) -> EvaluationResult:
    both = ["generate", "constrained"]
    test = AbTest.model_validate({"bootstrap_resamples": 100, "scoring": both, **settings})
    samples = [
        sample
        for quantization in QUANTIZATIONS
        for side in SIDES
        for scoring in ("constrained", "generate")  # as they come, not as they are configured
        for sample in make_samples(GOLD, _said(side, scoring), model=side, quantization=quantization, scoring=scoring)
        if scoring in test.scoring
    ]
    deciding = ("a", "f16", test.scoring[0])
    again = [s for s in samples if (s.model, s.quantization, s.scoring) == deciding]
    asking = Asking(
        primary_quantization="f16",
        quantizations=QUANTIZATIONS,
        scorings=test.scoring,
        engine=ENGINE,
        answer_limit=LIMIT,
        speed=[],
    )
    return conclude(Evidence(asking, samples, again if control else []), test)


def test_the_first_scoring_and_the_primary_quantization_decide() -> None:
    """Whatever the order of the answers, and wherever the primary quantization stands in the list."""
    found = _conclude(scoring=["constrained", "generate"])
    assert (found.headline.quantization, found.headline.scoring) == ("f16", "constrained")
    assert found.headline.accuracy_b == pytest.approx(15 / 24)
    assert _conclude(scoring=["generate", "constrained"]).headline.accuracy_b == 1.0


def test_the_headline_first_then_holm() -> None:
    """Four comparisons, two of them of one p: the headline keeps its own, Holm adjusts over the other three."""
    found = _conclude()
    assert [(c.quantization, c.scoring) for c in found.comparisons] == [
        (q, s) for q in ("f16", "q4_k_m") for s in ("generate", "constrained")
    ]
    p = [2 * 0.5**18, 2 * 0.5**9]  # 18 rows gained and none lost; 9 and none
    assert [c.p_value for c in found.comparisons] == pytest.approx(p * 2)
    assert [c.p_adjusted for c in found.comparisons] == pytest.approx([p[0], 2 * p[1], 3 * p[0], 2 * p[1]])


def test_the_control_compares_a_with_itself() -> None:
    """In the deciding setting, and by its own p: it is none of the tests that Holm adjusts over."""
    found = _conclude()
    assert found.control is not None
    assert (found.control.name, found.control.differing_answers) == ("A vs A, f16, generate", 0)
    assert found.control.p_adjusted is None
    assert _conclude(control=False).control is None


def test_what_was_not_measured_is_left_out() -> None:
    """No baseline without a bag of words, no limit of answers that are not generated, no table of one language."""
    found = _conclude(scoring=["constrained"])
    assert (found.baseline, found.baseline_comparison, found.answer_limit, found.slices) == (None, None, None, [])
    assert _conclude().answer_limit == LIMIT
