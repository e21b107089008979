"""What the exact test can find, against simulated runs of it."""

from __future__ import annotations

from functools import cache
from math import sqrt
from statistics import NormalDist

import numpy as np
import pytest

from so8t_evaluator.stats.detectable import (
    minimum_detectable_effect,
    one_sided_rows_needed,
    power,
    rows_to_find,
)
from so8t_evaluator.stats.mcnemar import mcnemar_exact

DRAWS = 4000
TESTS = [(60, 20, 0.05), (60, 20, 0.05 / 6), (400, 80, 0.05), (400, 80, 0.05 / 6), (600, 240, 0.01)]


def _simulated(n: int, share: float, delta: float, alpha: float) -> float:
    """Share of simulated tests with p below alpha."""
    p_value = cache(mcnemar_exact)
    cells = [(share - delta) / 2, (share + delta) / 2, 1 - share]
    draws = np.random.default_rng(0).multinomial(n, cells, size=DRAWS)
    return sum(p_value(int(a), int(b)) < alpha for a, b, _ in draws) / DRAWS


@pytest.mark.parametrize(("n", "discordant", "alpha"), TESTS)
def test_power_is_80_percent(n: int, discordant: int, alpha: float) -> None:
    """If the models differ by this much, the exact test finds it four times out of five, also at Holm's level."""
    delta = minimum_detectable_effect(n, discordant, alpha)
    assert delta is not None
    assert _simulated(n, discordant / n, delta, alpha) == pytest.approx(0.8, abs=0.026)  # four standard errors


@pytest.mark.parametrize(("n", "discordant", "alpha"), TESTS)
def test_rows_to_find(n: int, discordant: int, alpha: float) -> None:
    """So many rows find the difference four times out of five, a tenth fewer do not."""
    share, delta = discordant / n, discordant / n / 3
    rows = rows_to_find(delta, share, alpha)
    assert rows is not None
    assert power(rows, share, delta, alpha) >= 0.8 > power(int(0.9 * rows), share, delta, alpha)
    assert _simulated(rows, share, delta, alpha) == pytest.approx(0.8, abs=0.04)
    assert rows_to_find(-delta, share, alpha) == rows


@pytest.mark.parametrize(("n", "one_sided", "excess"), [(4000, 1960, 40), (10_000, 4999, 1)])
def test_very_many_rows_are_approximated(n: int, one_sided: int, excess: int) -> None:
    """Near ties that take more rows than anybody has: Connor's formula, as a sum over all the rows takes minutes."""
    share, delta = one_sided / n, excess / n
    z_level, z_power = NormalDist().inv_cdf(1 - 0.05 / 12), NormalDist().inv_cdf(0.8)
    connor = (z_level * sqrt(share) + z_power * sqrt(share - delta**2)) ** 2 / delta**2
    assert rows_to_find(delta, share, 0.05 / 6) == pytest.approx(connor, abs=1, rel=1e-9)


def test_level_is_kept() -> None:
    """Without a difference the test finds one at most as often as alpha says."""
    assert 0 < power(60, 0.3, 0.0, 0.05) <= 0.05


def test_more_rows_find_less() -> None:
    """With the same share of disagreement, more rows find smaller differences; a stricter level finds larger ones."""
    few, many = minimum_detectable_effect(200, 40, 0.05), minimum_detectable_effect(2000, 400, 0.05)
    strict = minimum_detectable_effect(200, 40, 0.05 / 6)
    assert few is not None
    assert many is not None
    assert strict is not None
    assert many < few < strict


@pytest.mark.parametrize(("n", "discordant"), [(0, 0), (50, 0), (10, 1), (60, 7)])
def test_nothing_detectable(n: int, discordant: int) -> None:
    """None without rows, without disagreement, or when even one-sided disagreement would be too little."""
    assert minimum_detectable_effect(n, discordant, 0.05) is None


def test_nothing_to_find() -> None:
    """No number of rows finds a difference of 0."""
    assert rows_to_find(0.0, 0.2, 0.05) is None


@pytest.mark.parametrize(("alpha", "rows"), [(0.05, 6), (0.05 / 6, 8), (0.1, 5), (0.5, 3), (0.01, 8)])
def test_one_sided_rows_needed(alpha: float, rows: int) -> None:
    """So many rows on one side are significant, one row less is not."""
    assert one_sided_rows_needed(alpha) == rows
    assert mcnemar_exact(0, rows) < alpha <= mcnemar_exact(0, rows - 1)
