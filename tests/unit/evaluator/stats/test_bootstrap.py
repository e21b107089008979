"""The paired bootstrap, against resampling the rows themselves."""

from __future__ import annotations

import numpy as np
import pytest

from so8t_evaluator.stats.bootstrap import joint_table, macro_f1_difference
from so8t_evaluator.stats.confusion import COLUMNS, confusion_matrix
from so8t_evaluator.stats.f1 import macro_f1
from so8t_shared.labels import LABELS
from so8t_shared.results.interval import Interval

RESAMPLES = 3000


def _answers(seed: int, n: int, skill_a: float = 0.6, skill_b: float = 0.75) -> tuple[list[str], list[str], list[str]]:
    rng = np.random.default_rng(seed)
    gold = rng.choice(LABELS, n)
    a = np.where(rng.random(n) < skill_a, gold, rng.choice(COLUMNS, n))
    b = np.where(rng.random(n) < skill_b, gold, rng.choice(COLUMNS, n))
    return [str(c) for c in gold], [str(c) for c in a], [str(c) for c in b]


def _difference(gold: list[str], a: list[str], b: list[str], resamples: int = RESAMPLES) -> Interval:
    rng = np.random.default_rng(1)
    return macro_f1_difference(joint_table(gold, a, b), resamples=resamples, confidence=0.9, rng=rng)


def test_joint_table_sums() -> None:
    """Summed over B's answers it is A's confusion matrix, and the other way round."""
    gold, a, b = _answers(0, 80)
    table = joint_table(gold, a, b)
    assert (table.sum(axis=2) == confusion_matrix(gold, a)).all()
    assert (table.sum(axis=1) == confusion_matrix(gold, b)).all()
    assert table.sum() == 80


def test_same_as_resampling_rows() -> None:
    """Both ends of the interval are those of drawing rows with replacement, within Monte Carlo error."""
    answers = _answers(2, 60)
    gold, a, b = (np.array(column) for column in answers)
    rng = np.random.default_rng(99)
    drawn = []
    for _ in range(RESAMPLES):
        rows = rng.integers(0, len(gold), len(gold))
        g, x, y = gold[rows], a[rows], b[rows]
        f1_a, f1_b = (macro_f1(confusion_matrix(list(g), list(said))) for said in (x, y))
        drawn.append(float(f1_b - f1_a))
    found = _difference(*answers)
    error = 5 * float(np.std(drawn)) / np.sqrt(RESAMPLES) * 2 + 1 / len(gold)  # and one row
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(drawn, [5, 95])), abs=error)
    assert found.low < found.value < found.high


def test_value_is_the_observed_difference() -> None:
    """The estimate is that of the rows, not the mean of the resamples."""
    gold, a, b = _answers(3, 50)
    f1_a, f1_b = (float(macro_f1(confusion_matrix(gold, said))) for said in (a, b))
    assert _difference(gold, a, b, 100).value == pytest.approx(f1_b - f1_a)


def test_covers_the_truth() -> None:
    """About 90% of the 90% intervals hold the true difference, that of very many rows."""
    covered, runs, truth = 0, 200, _difference(*_answers(7, 200_000), 100).value
    for seed in range(runs):
        interval = _difference(*_answers(seed, 120), 300)
        covered += interval.low <= truth <= interval.high
    assert 0.83 <= covered / runs <= 0.96


def test_equal_answers_have_no_spread() -> None:
    """A model against itself: the interval is the point 0."""
    gold, a, _ = _answers(5, 40)
    found = _difference(gold, a, a, 100)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_seed_decides() -> None:
    """The same seed gives the same interval."""
    assert _difference(*_answers(6, 40), 100) == _difference(*_answers(6, 40), 100)
