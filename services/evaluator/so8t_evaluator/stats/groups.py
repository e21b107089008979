"""Groups of rows that are not independent: rows from one template, and near duplicates.

The estimates are plain means over rows. Their variance comes from the groups' sums, which are independent:

    V = G / (G - 1) * sum over groups of (s_g - n_g * mean)^2 / n^2

(Liang & Zeger, Biometrika 73, 1986). Divided by the variance of as many independent rows, it is the design
effect (Kish, Survey Sampling, 1965). As many rows with a design effect of 2 tell as much as half of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST_GROUPS = 8
"""Kish's effective number of groups below which no interval is given, unless every row stands alone."""


@dataclass(frozen=True)
class Groups:
    """The groups of `rows` rows."""

    codes: NDArray[np.int64]
    sizes: NDArray[np.int64]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.codes)

    @property
    def count(self) -> int:
        """Number of groups."""
        return len(self.sizes)

    @property
    def alone(self) -> bool:
        """Whether every row is a group of its own."""
        return self.count == self.rows

    @property
    def largest_design_effect(self) -> float:
        """The design effect if all rows of a group were the same: sum of n_g^2 over n."""
        return float((self.sizes**2).sum() / self.rows)

    @property
    def too_few(self) -> bool:
        """Whether there are too few groups to estimate how alike their rows are."""
        return not self.alone and self.rows / self.largest_design_effect < FEWEST_GROUPS

    def sums(self, values: NDArray[np.number | np.bool_]) -> NDArray[np.float64]:
        """Return the sum of `values` (one per row) over each group."""
        return np.bincount(self.codes, weights=values, minlength=self.count).astype(np.float64)

    def variance_of_mean(self, values: NDArray[np.number | np.bool_]) -> float:
        """Return the cluster-robust variance of the mean of `values`; needs two groups."""
        left = self.sums(values) - self.sizes * float(values.mean())
        return float(self.count / (self.count - 1) * (left**2).sum() / self.rows**2)


def codes(names: Sequence[str]) -> NDArray[np.int64]:
    """Return a number from 0 for each group name, one per row."""
    return np.unique(np.asarray(names, dtype=str), return_inverse=True)[1].astype(np.int64)


def grouped(groups: NDArray[np.integer]) -> Groups:
    """Return the groups of rows, from one code per row.

    Raises:
        ValueError: there is no row.
    """
    if not len(groups):
        raise ValueError("a mean is undefined for n = 0")
    _, numbers, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return Groups(numbers.astype(np.int64), sizes.astype(np.int64))
