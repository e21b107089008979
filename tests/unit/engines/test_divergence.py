"""The divergence of two next-token distributions, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax
from scipy.stats import entropy

from so8t_engines.divergence import divergence, over_positions


def _two(seed: int, size: int = 50) -> list[dict[int, float]]:
    generator = np.random.default_rng(seed)
    logits = generator.standard_normal(size) * 3
    sides = (log_softmax(logits + generator.standard_normal(size) * scale) for scale in (0, 0.5))
    return [dict(enumerate(side.tolist())) for side in sides]


@pytest.mark.parametrize("seed", range(5))
def test_whole_distributions(seed: int) -> None:
    """Exact where every token is known."""
    p, q = _two(seed)
    expected = entropy(np.exp(list(p.values())), np.exp(list(q.values())))
    assert divergence(p, q) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_the_likeliest_alone_give_less(seed: int) -> None:
    """A lower bound that grows with the tokens known, and equals the divergence of the merged distributions."""
    p, q = _two(seed)
    found = []
    for known in (3, 10, 30, 50):
        likeliest = [dict(sorted(side.items(), key=lambda item: -item[1])[:known]) for side in (p, q)]
        found.append(divergence(*likeliest))
        shared = likeliest[0].keys() & likeliest[1].keys()
        bins = [[*(np.exp(side[token]) for token in shared)] for side in (p, q)]
        merged = [[*values, max(1e-6, 1 - sum(values))] for values in bins]
        assert found[-1] == pytest.approx(entropy(*merged), abs=1e-5)
    assert found[0] <= found[1] + 1e-6
    assert found[1] <= found[2] + 1e-6
    assert found[2] <= found[3] + 1e-6


def test_the_same_twice() -> None:
    """Nothing, never less."""
    p, _ = _two(0)
    assert divergence(p, p) == 0.0


def test_over_positions() -> None:
    """Figures of several positions by numpy's definitions, and of a single one."""
    values = [0.0, 0.1, 0.4, 2.5]
    found = over_positions(values, 1)
    assert (found.mean, found.median, found.largest, found.changed_top) == pytest.approx((0.75, 0.25, 2.5, 0.25))
    assert found.p99 == pytest.approx(np.percentile(values, 99))
    alone = over_positions([0.3], 1)
    assert (alone.mean, alone.median, alone.p99, alone.changed_top) == pytest.approx((0.3, 0.3, 0.3, 1))
