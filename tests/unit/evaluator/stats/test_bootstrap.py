"""The paired bootstrap, against resampling the rows themselves."""

from __future__ import annotations

import numpy as np
import pytest

from so8t_evaluator.stats.bootstrap import Differences, joint_table, paired_differences
from so8t_evaluator.stats.confusion import COLUMNS, confusion_matrix
from so8t_evaluator.stats.f1 import macro_f1
from so8t_shared.labels import LABELS

RESAMPLES = 3000


def _answers(seed: int, n: int, skill_a: float = 0.6, skill_b: float = 0.75) -> tuple[list[str], list[str], list[str]]:
    rng = np.random.default_rng(seed)
    gold = rng.choice(LABELS, n)
    a = np.where(rng.random(n) < skill_a, gold, rng.choice(COLUMNS, n))
    b = np.where(rng.random(n) < skill_b, gold, rng.choice(COLUMNS, n))
    return [str(c) for c in gold], [str(c) for c in a], [str(c) for c in b]


def _differences(gold: list[str], a: list[str], b: list[str], resamples: int = RESAMPLES) -> Differences:
    rng = np.random.default_rng(1)
    return paired_differences(joint_table(gold, a, b), resamples=resamples, confidence=0.9, rng=rng)


def test_joint_table_sums() -> None:
    """Summed over B's answers it is A's confusion matrix, and the other way round."""
    gold, a, b = _answers(0, 80)
    table = joint_table(gold, a, b)
    assert (table.sum(axis=2) == confusion_matrix(gold, a)).all()
    assert (table.sum(axis=1) == confusion_matrix(gold, b)).all()
    assert table.sum() == 80


def test_same_as_resampling_rows() -> None:
    """Both ends of each interval are those of drawing rows with replacement, within Monte Carlo error."""
    answers = _answers(2, 60)
    gold, a, b = (np.array(column) for column in answers)
    rng = np.random.default_rng(99)
    drawn: dict[str, list[float]] = {"accuracy": [], "macro_f1": []}
    for _ in range(RESAMPLES):
        rows = rng.integers(0, len(gold), len(gold))
        g, x, y = gold[rows], a[rows], b[rows]
        drawn["accuracy"].append(float((y == g).mean() - (x == g).mean()))
        f1_a, f1_b = (macro_f1(confusion_matrix(list(g), list(said))) for said in (x, y))
        drawn["macro_f1"].append(float(f1_b - f1_a))
    found = _differences(*answers)
    for name, interval in (("accuracy", found.accuracy), ("macro_f1", found.macro_f1)):
        values = drawn[name]
        error = 5 * float(np.std(values)) / np.sqrt(RESAMPLES) * 2 + 1 / len(gold)  # and one step of the grid
        assert (interval.low, interval.high) == pytest.approx(tuple(np.percentile(values, [5, 95])), abs=error)
        assert interval.low < interval.value < interval.high


def test_value_is_the_observed_difference() -> None:
    """The estimate is that of the rows, not the mean of the resamples."""
    gold, a, b = _answers(3, 50)
    found = _differences(gold, a, b, 100)
    right_a, right_b = (sum(g == s for g, s in zip(gold, said, strict=True)) for said in (a, b))
    assert found.accuracy.value == pytest.approx((right_b - right_a) / 50)


def test_covers_the_truth() -> None:
    """About 90 % of the 90 % intervals hold the true difference: 0.15 of skill, a fifth of it lost to luck."""
    covered, runs, truth = 0, 200, 0.15 * (1 - 1 / len(COLUMNS))
    for seed in range(runs):
        interval = _differences(*_answers(seed, 120), 300).accuracy
        covered += interval.low <= truth <= interval.high
    assert 0.83 <= covered / runs <= 0.96


def test_equal_answers_have_no_spread() -> None:
    """A model against itself: every interval is the point 0."""
    gold, a, _ = _answers(5, 40)
    found = _differences(gold, a, a, 100)
    for interval in (found.accuracy, found.macro_f1):
        assert (interval.value, interval.low, interval.high) == (0, 0, 0)


def test_seed_decides() -> None:
    """The same seed gives the same interval."""
    assert _differences(*_answers(6, 40), 100) == _differences(*_answers(6, 40), 100)
