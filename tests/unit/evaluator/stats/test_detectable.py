"""The smallest detectable difference, against simulated power."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from so8t_evaluator.stats.detectable import minimum_detectable_effect


@pytest.mark.parametrize(("n", "discordant", "confidence"), [(400, 80, 0.95), (1000, 100, 0.95), (600, 240, 0.99)])
def test_power_is_80_percent(n: int, discordant: int, confidence: float) -> None:
    """If the models differ by this much, McNemar's (asymptotic) test finds it four times out of five."""
    delta = minimum_detectable_effect(n, discordant, confidence)
    assert delta is not None
    share = discordant / n
    cells = [(share - delta) / 2, (share + delta) / 2, 1 - share]
    draws = np.random.default_rng(0).multinomial(n, cells, size=20_000)
    z = (draws[:, 1] - draws[:, 0]) / np.sqrt(np.maximum(draws[:, 0] + draws[:, 1], 1))
    power = float((np.abs(z) > norm.ppf((1 + confidence) / 2)).mean())
    assert power == pytest.approx(0.8, abs=0.03)


def test_more_rows_find_less() -> None:
    """With the same share of disagreement, more rows find smaller differences."""
    few, many = minimum_detectable_effect(200, 40, 0.95), minimum_detectable_effect(2000, 400, 0.95)
    assert few is not None
    assert many is not None
    assert many < few


@pytest.mark.parametrize(("n", "discordant"), [(0, 0), (50, 0), (10, 1)])
def test_nothing_detectable(n: int, discordant: int) -> None:
    """None without rows, without disagreement, or when even one-sided disagreement would be too little."""
    assert minimum_detectable_effect(n, discordant, 0.95) is None
