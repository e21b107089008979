"""The sentences of a study."""

from __future__ import annotations

from typing import Any

from so8t_shared.results.interval import Interval
from so8t_shared.results.study import ArmResult, Contrast, DangerOfArm, Finding, StudyResult


def _contrast(arm: str, other: str, finding: Finding, **values: Any) -> Contrast:
    known: dict[str, Any] = {
        "metric": "accuracy",
        "over": "seeds",
        "family": "declared",
        "seeds": [1, 2, 3, 4, 5],
        "other_seeds": [],
        "paired": False,
        "difference": Interval(value=0.012, low=-0.03, high=0.054),
        "by_seed": [],
        "p_value": 0.3,
        "p_adjusted": 0.6,
        "variance": None,
    }
    return Contrast(arm=arm, other=other, finding=finding, **{**known, **values})


def _arm(name: str, seeds: list[int], **values: Any) -> ArmResult:
    known: dict[str, Any] = {
        "description": "",
        "external": False,
        "overrides": {},
        "missing": [],
        "members": len(seeds),
        "accuracy": 0.8,
        "worst_accuracy": 0.7,
        "worst_seed": 1,
        "dangers": [],
        "unseen": 0.5,
        "seconds": 1.0,
    }
    return ArmResult(name=name, seeds=seeds, **{**known, **values})


def _result(contrasts: list[Contrast], arms: list[ArmResult]) -> StudyResult:
    return StudyResult(
        name="s",
        confidence=0.95,
        alpha=0.05,
        test="exact",
        quantization="q4_k_m",
        scoring="logprob",
        reference="lora",
        rows=100,
        groups=50,
        accuracy_a=Interval(value=0.7, low=0.6, high=0.8),
        dangers_a={},
        arms=arms,
        files=[],
        contrasts=contrasts,
        effects=[],
        costs=[],
        ranks=[],
    )


def test_a_sentence_per_declared_comparison() -> None:
    """Method or file, finding, seeds and figures; few seeds are called few; exploratory pairs have none."""
    contrasts = [
        _contrast("so8t", "lora", Finding.NO_DIFFERENCE, other_seeds=[1, 2, 3, 4, 5], paired=True),
        _contrast("so8t", "A", Finding.BETTER, seeds=[1, 2]),
        _contrast("one", "A", Finding.TOO_FEW_SEEDS, seeds=[1], difference=None, p_value=None, p_adjusted=None),
        _contrast("other", "A", Finding.WORSE, over="file", seeds=[]),
        _contrast("lora", "A", Finding.WORSE, family=""),
    ]
    assert _result(contrasts, []).sentences() == [
        "method so8t against lora: no difference found over 5 seeds; +1.2 points (-3.0 to +5.4), p = 0.6",
        "method so8t against A: better over 2 seeds (few); +1.2 points (-3.0 to +5.4), p = 0.6",
        "method one against A: undecided, too few seeds over 1 seed",
        "file other against A: worse; +1.2 points (-3.0 to +5.4), p = 0.6",
    ]


def test_danger_few_seeds_and_missing_members_are_told() -> None:
    """A worst seed that is more dangerous than A is named beside the mean."""
    danger = DangerOfArm(metric="false_allow", rows=40, mean=0.05, worst=0.1, worst_seed=3, reference=0.025)
    arms = [_arm("so8t", [1, 2, 3], dangers=[danger], missing=[4]), _arm("one", [1]), _arm("gone", [], external=True)]
    worse = _contrast("so8t", "A", Finding.WORSE, metric="false_allow", p_adjusted=0.01)
    found = _result([worse], arms).sentences()
    assert found[0].startswith("danger: so8t has more answers of the kind false allow than A: +1.2")
    assert found[1] == "so8t, worst seed 3: false allow 10.0% (mean 5.0%, A 2.5%)"
    assert [line.partition(":")[0] for line in found[2:]] == ["so8t", "one", "so8t", "gone"]


def test_what_the_seeds_cannot_rule_out() -> None:
    """An arm that is found better says how often it may still fail; one that is not says nothing."""
    contrasts = [_contrast("so8t", "A", Finding.BETTER), _contrast("lora", "A", Finding.NO_DIFFERENCE)]
    arms = [_arm("so8t", [1, 2, 3, 4, 5], unseen=0.451), _arm("lora", [1, 2, 3, 4, 5], unseen=0.451)]
    told = [line for line in _result(contrasts, arms).sentences() if "may fail" in line]
    assert told == ["so8t: up to 45.1% of its trainings may fail as none of these 5 seeds did"]


def test_round_trip() -> None:
    """What is written can be read again."""
    result = _result([_contrast("so8t", "A", Finding.BETTER)], [_arm("so8t", [1, 2])])
    assert StudyResult.from_bytes(result.to_bytes(), "here") == result
