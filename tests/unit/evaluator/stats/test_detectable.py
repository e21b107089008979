"""What the exact test can find, against simulated runs of it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from so8t_evaluator.stats.detectable import minimum_detectable_effect, power
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
