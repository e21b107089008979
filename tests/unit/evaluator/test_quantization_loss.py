"""What quantizing costs each model."""

from __future__ import annotations

from tests.unit.evaluator.material import make_samples

from so8t_evaluator.paired import by_setting
from so8t_evaluator.quantization_loss import quantization_losses
from so8t_shared.labels import LABELS
from so8t_shared.results.answers import Sample

GOLD = list(LABELS) * 4


def _samples(side: str, quantization: str, wrong: int, scoring: str = "generate") -> list[Sample]:
    said = ["INVALID"] * wrong + GOLD[wrong:]
    return make_samples(GOLD, said, model=side, quantization=quantization, scoring=scoring)


def test_each_against_the_most_precise() -> None:
    """Whatever the order of asking, f16 is the reference of both models; lost rows are counted, p is adjusted."""
    samples = [
        *_samples("b", "q4_k_m", 7), *_samples("a", "q4_k_m", 2),
        *_samples("b", "f16", 0), *_samples("a", "f16", 2),
        *_samples("b", "q8_0", 1), *_samples("a", "q8_0", 1),
    ]  # fmt: skip
    found = quantization_losses(by_setting(samples), "exact")
    assert [(x.model, x.scoring, x.reference, x.quantization, x.n, x.gained, x.lost) for x in found] == [
        ("a", "generate", "f16", "q8_0", 16, 1, 0),
        ("a", "generate", "f16", "q4_k_m", 16, 0, 0),
        ("b", "generate", "f16", "q8_0", 16, 0, 1),
        ("b", "generate", "f16", "q4_k_m", 16, 0, 7),
    ]
    worst = found[-1]
    assert (worst.reference_right, worst.other_right, worst.difference) == (16, 9, -7 / 16)
    assert (worst.p_value, worst.p_adjusted) == (2 / 2**7, 4 * 2 / 2**7)


def test_scorings_stay_apart() -> None:
    """Each scoring is held against itself, generate first."""
    samples = [
        s
        for quantization, wrong in (("q8_0", 0), ("q4_k_m", 3))
        for scoring in ("constrained", "generate")
        for s in _samples("a", quantization, wrong + (scoring == "constrained"), scoring)
    ]
    found = quantization_losses(by_setting(samples), "exact")
    assert [(x.scoring, x.reference, x.reference_right, x.other_right) for x in found] == [
        ("generate", "q8_0", 16, 13),
        ("constrained", "q8_0", 15, 12),
    ]


def test_one_quantization() -> None:
    """Nothing to hold it against: no line."""
    assert quantization_losses(by_setting(_samples("a", "q8_0", 1)), "exact") == []
