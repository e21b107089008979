"""Simulated answers of models that are trained with several seeds, with a known truth.

`smooth`: whether an answer is right is a normal variable above a threshold, the sum of effects of its group, row, seed,
seed and group, and chance. `rough`: groups have whole answers; A, each arm and each seed redraw some groups as a whole,
and a seed may fail: then it guesses every row.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from tests.clustered_rows import draw_values, group_codes

Right = NDArray[np.int8]
GUESS = 0.25


@dataclass(frozen=True)
class World:
    """What all sets of a simulation have in common."""

    rows: int
    per_group: int
    seeds: int
    between: float = 0.02
    """Variance between seeds; in `smooth`, the rest has 1; in `rough`, share of groups that a seed redraws."""
    correlation: float = 0.3
    model: Literal["smooth", "rough"] = "smooth"
    accuracy: float = 0.7
    """Of A, and of the second arm."""
    difference: float = 0.0
    """Of the first arm's accuracy from that."""
    shared: float = 0.0
    """Correlation of the same seed in both arms."""
    failing: float = 0.0
    """In `rough`: share of seeds that fail."""
    redrawn: float = 0.3
    """In `rough`: share of groups that A and each arm answer anew; the rest is the same for all."""

    def draw(self, rng: np.random.Generator) -> tuple[Right, Right, Right, NDArray[np.int64]]:
        """Return which rows are right: of A [rows], of two arms [seeds, rows]; and each row's group [rows]."""
        groups = group_codes(self.rows, self.per_group)
        a, first, second = (self._smooth if self.model == "smooth" else self._rough)(groups, rng)
        return a.astype(np.int8), first.astype(np.int8), second.astype(np.int8), groups

    def _smooth(self, groups: NDArray[np.int64], rng: np.random.Generator) -> tuple[NDArray[np.bool_], ...]:
        lasting, own, among = 0.6, 0.1, 0.7
        count = int(groups.max()) + 1
        spread = (sqrt(lasting * self.correlation), sqrt(lasting * (1 - self.correlation)))
        common = rng.normal(size=count), rng.normal(size=self.rows)

        def lasting_effect() -> NDArray[np.float64]:
            mine = rng.normal(size=count), rng.normal(size=self.rows)
            by_group, by_row = (
                s * (among * c + sqrt(1 - among**2) * m) for s, c, m in zip(spread, common, mine, strict=True)
            )
            found: NDArray[np.float64] = by_group[groups] + by_row
            return found

        def noise(seeds: int) -> NDArray[np.float64]:
            found: NDArray[np.float64] = sqrt(own) * rng.normal(size=(seeds, count))[:, groups]
            return found + sqrt(1 - lasting - own) * rng.normal(size=(seeds, self.rows))

        def arm(accuracy: float) -> NDArray[np.bool_]:
            level = float(norm.ppf(accuracy)) * sqrt(1 + self.between)
            mine = sqrt(self.shared) * together + sqrt(1 - self.shared) * rng.normal(size=self.seeds)
            values = level + lasting_effect() + sqrt(self.between) * mine[:, None] + noise(self.seeds)
            return np.asarray(values > 0)

        together = rng.normal(size=self.seeds)
        a = (float(norm.ppf(self.accuracy)) + lasting_effect() + noise(1))[0] > 0
        return a, arm(self.accuracy + self.difference), arm(self.accuracy)

    def _rough(self, groups: NDArray[np.int64], rng: np.random.Generator) -> tuple[NDArray[np.bool_], ...]:
        count, chances = int(groups.max()) + 1, (self.accuracy, 1 - self.accuracy)

        def anew(sets: int) -> NDArray[np.bool_]:
            return np.asarray(draw_values(chances, groups, self.correlation, "copied", sets, rng) == 0)

        def redrawn(answers: NDArray[np.bool_], share: float, sets: int) -> NDArray[np.bool_]:
            chosen = (rng.random((sets, count)) < share)[:, groups]
            return np.where(chosen, anew(sets), answers)

        def arm() -> NDArray[np.bool_]:
            answers = redrawn(redrawn(common, self.redrawn, 1), self.between, self.seeds)
            failed = rng.random((self.seeds, 1)) < self.failing
            return np.where(failed, rng.random(answers.shape) < GUESS, answers)

        common = anew(1)
        a = redrawn(common, self.redrawn, 1)[0]  # where seeds fail, A is as much worse in single rows
        a = np.where(rng.random(a.shape) < self.failing, rng.random(a.shape) < GUESS, a)
        return a, arm(), arm()
