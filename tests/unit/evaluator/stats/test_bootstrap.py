"""Macro-F1 by the cluster bootstrap, against scipy and against the truth of simulated answers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap
from tests.clustered_rows import group_codes

from so8t_evaluator.stats.bootstrap import macro_f1_difference, macro_f1_interval
from so8t_evaluator.stats.confusion import COLUMNS, confusion_matrix
from so8t_shared.f1 import macro_f1
from so8t_shared.labels import LABELS
from so8t_shared.results.interval import Interval

RESAMPLES = 3000


def _answers(seed: int, n: int, skill_a: float = 0.6, skill_b: float = 0.75) -> tuple[list[str], list[str], list[str]]:
    rng = np.random.default_rng(seed)
    gold = rng.choice(LABELS, n)
    a = np.where(rng.random(n) < skill_a, gold, rng.choice(COLUMNS, n))
    b = np.where(rng.random(n) < skill_b, gold, rng.choice(COLUMNS, n))
    return [str(c) for c in gold], [str(c) for c in a], [str(c) for c in b]


def _places(names: list[str]) -> np.ndarray:
    return np.array([COLUMNS.index(name) for name in names])


def _difference(
    gold: list[str], a: list[str], b: list[str], resamples: int = RESAMPLES, per_group: int = 1
) -> Interval:
    groups, rng = group_codes(len(gold), per_group), np.random.default_rng(1)
    return macro_f1_difference(*map(_places, (gold, a, b)), groups, resamples=resamples, confidence=0.9, rng=rng)


def _one(gold: list[str], said: list[str], resamples: int = RESAMPLES, per_group: int = 1) -> Interval:
    groups, rng = group_codes(len(gold), per_group), np.random.default_rng(1)
    return macro_f1_interval(_places(gold), _places(said), groups, resamples=resamples, confidence=0.9, rng=rng)


def _repeated(answers: tuple[list[str], ...], times: int) -> tuple[list[str], ...]:
    return tuple([c for c in column for _ in range(times)] for column in answers)


@pytest.mark.parametrize("per_group", [1, 3])
def test_same_as_scipy(per_group: int) -> None:
    """Both ends equal scipy's BCa over drawn groups, within Monte Carlo error and the prior's row."""
    answers = _repeated(_answers(2, 300), per_group)
    tables = [np.array(column).reshape(-1, per_group) for column in answers]

    def value(drawn: np.ndarray) -> float:
        gold, a, b = (list(table[drawn].ravel()) for table in tables)
        return float(macro_f1(confusion_matrix(gold, b)) - macro_f1(confusion_matrix(gold, a)))

    expected = bootstrap(
        (np.arange(300),), value, vectorized=False, n_resamples=500, confidence_level=0.9, method="BCa", rng=0
    ).confidence_interval
    found = _difference(*answers, per_group=per_group)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.012)
    assert (found.rows, found.groups) == (300 * per_group, 300)


def test_value_is_the_observed_one() -> None:
    """The estimate is that of the rows, not the mean of the resamples."""
    gold, a, b = _answers(3, 50)
    f1_a, f1_b = (float(macro_f1(confusion_matrix(gold, said))) for said in (a, b))
    assert _difference(gold, a, b, 100).value == pytest.approx(f1_b - f1_a)
    assert _one(gold, a, 100).value == pytest.approx(f1_a)


@pytest.mark.parametrize(("rows", "per_group"), [(30, 1), (120, 1), (40, 3)])
def test_covers_the_truth(rows: int, per_group: int) -> None:
    """At least 90% of the 90% intervals hold the truth, less Monte Carlo error, also below 100 rows and with copies."""
    large, runs = _answers(7, 200_000), 300
    truths = _one(large[0], large[2], 1).value, _difference(*large, 1).value
    covered = np.zeros(2)
    for seed in range(runs):
        gold, a, b = _repeated(_answers(seed, rows), per_group)
        found = _one(gold, b, 300, per_group), _difference(gold, a, b, 300, per_group)
        covered += [i.low <= truth <= i.high for i, truth in zip(found, truths, strict=True)]
    assert (covered / runs >= 0.86).all()  # 90% less 2.3 standard errors
    assert (covered / runs <= 0.98).all()


def test_answers_that_agree_leave_a_width() -> None:
    """A model against itself, or without a wrong answer: few rows never prove it, and more rows prove more."""
    gold, a, _ = _answers(5, 40)
    found = _difference(gold, a, a)
    assert found.value == 0
    assert -0.2 < found.low < -0.02
    assert 0.02 < found.high < 0.2
    perfect = [_one(gold * times, gold * times) for times in (1, 10)]
    assert [p.value for p in perfect] == [p.high for p in perfect] == [1, 1]
    assert 0.8 < perfect[0].low < perfect[1].low < 0.999


def test_copies_add_nothing() -> None:
    """Rows in tens that are all the same leave about the width of one row each."""
    answers = _answers(8, 60)
    alone, copied = _difference(*answers), _difference(*_repeated(answers, 10), per_group=10)
    assert copied.high - copied.low == pytest.approx(alone.high - alone.low, rel=0.1)
    assert copied.design_effect == pytest.approx(10, rel=0.03)


def test_too_few_groups() -> None:
    """Five groups tell nothing: the widest interval, and the value all the same."""
    answers = _answers(9, 50)
    difference, one = _difference(*answers, per_group=10), _one(*answers[:2], per_group=10)
    assert (difference.low, difference.high, difference.too_few_groups) == (-1, 1, True)
    assert (one.low, one.high, one.too_few_groups) == (0, 1, True)
    assert difference.value == _difference(*answers).value


def test_seed_decides() -> None:
    """The same seed gives the same interval."""
    assert _difference(*_answers(6, 40), 100) == _difference(*_answers(6, 40), 100)
