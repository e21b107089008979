"""Simulated scores and confidences, alike within groups, with known figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

SHARE = 2 / 3
"""Of harmful rows."""


@dataclass(frozen=True)
class Ranked:
    """Scores are normal with variance 1; harmful rows' are `apart` (for A, for B) higher."""

    rows: int
    per_group: int = 1
    correlation: float = 0.0
    mixed: bool = False
    """Whether a group has rows of both kinds."""
    apart: tuple[float, float] = (1.0, 1.6)

    @property
    def groups(self) -> NDArray[np.int64]:
        return np.arange(self.rows) // self.per_group

    def draw(self, rng: np.random.Generator) -> tuple[tuple[NDArray[np.float64], ...], NDArray[np.bool_]]:
        """The scores of A and of B, which correlate by 1/2, and whether rows are harmful."""
        count = self.rows // self.per_group
        harmful = rng.random(self.rows if self.mixed else count) < SHARE
        harmful = harmful if self.mixed else harmful[self.groups]
        common = self._normal(rng)
        both = [np.sqrt(0.5) * (common + self._normal(rng)) + apart * harmful for apart in self.apart]
        return tuple(both), harmful

    def _normal(self, rng: np.random.Generator) -> NDArray[np.float64]:
        shared = rng.normal(size=self.rows // self.per_group)[self.groups]
        own = rng.normal(size=self.rows)
        return np.sqrt(self.correlation) * shared + np.sqrt(1 - self.correlation) * own

    def auroc(self) -> list[float]:
        return [float(norm.cdf(apart / np.sqrt(2))) for apart in self.apart]

    def average_precision(self) -> list[float]:
        at = np.linspace(-8, 12, 20001)
        found = []
        for apart in self.apart:
            caught, flagged = SHARE * norm.sf(at - apart), (1 - SHARE) * norm.sf(at)
            found.append(float(np.trapezoid(norm.pdf(at - apart) * caught / (caught + flagged), at)))
        return found

    def false_positive_rate(self, recall: float) -> list[float]:
        return [float(norm.sf(apart + norm.ppf(1 - recall))) for apart in self.apart]


def draw_confidences(
    over: float, groups: NDArray[np.int64], correlation: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return confidences that are `over` too high, and whether rows are right.

    A row has its group's values with probability sqrt(correlation).
    """
    as_group = rng.random(len(groups)) < np.sqrt(correlation)

    def drawn(values: Callable[[int], NDArray[np.float64]]) -> NDArray[np.float64]:
        return np.where(as_group, values(int(groups.max()) + 1)[groups], values(len(groups)))

    confidences = drawn(lambda n: 0.4 + 0.6 * rng.beta(3, 1, n))
    return confidences, drawn(rng.random) < confidences - over
