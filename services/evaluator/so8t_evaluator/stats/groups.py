"""Groups of rows that are not independent: rows from one template, and near duplicates.

The estimates are plain means over rows. Their variance comes from the groups' sums, which are independent:

    V = sum over groups of (s_g - n_g * mean)^2 / (1 - n_g / n) / n^2

(Liang & Zeger, Biometrika 73, 1986; the divisor is that of Bell & McCaffrey, Survey Methodology 28, 2002). Divided by
the variance of as many independent rows, it is the design effect (Kish, Survey Sampling, 1965): as many rows with a
design effect of 2 tell as much as half of them. It is at least 1 here.

Where few groups differ from the rest, this estimate is blind: if one template in fifty is answered wrong as a whole,
a test set without that template shows independent single errors. So the estimate is mixed with the largest possible
effect, that of groups whose rows are all the same:

    (k * estimate + w * largest) / (k + w),  w = 8 exp(-G (1 - share of the most frequent value))

k is the number of groups with a row that differs from the most frequent value, and the exponential is the chance that
none of the G groups differs as a whole. The 8 is from simulation (bench/intervals.py): with 4, intervals of 5% at
50 groups of 10 rows cover 91%.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

FEWEST_GROUPS = 5.5
"""Kish's effective number of groups below which nothing is concluded, unless every row stands alone: six, rounded.

The simulated intervals hold from here on, and five groups cannot give an exact p below 5%. Six groups of nearly equal
size reach nearly six.
"""
UNSEEN_WEIGHT = 8.0
FEWEST_DEGREES = 30
_SPARSE = 8
"""Numbers of groups beyond this many per row are sorted instead of counted."""


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
    def effective(self) -> float:
        """Kish's effective number of groups: as many of equal size tell as much."""
        return self.rows / self.largest_design_effect

    @property
    def too_few(self) -> bool:
        """Whether there are too few groups to estimate how alike their rows are."""
        return not self.alone and self.effective < FEWEST_GROUPS

    def sums(self, values: NDArray[np.number | np.bool_]) -> NDArray[np.float64]:
        """Return the sum of `values` (one per row) over each group."""
        return np.bincount(self.codes, weights=values, minlength=self.count).astype(np.float64)

    def design_effect(self, values: NDArray[np.number | np.bool_]) -> float:
        """Return the design effect of the mean of `values`, from 1; needs two groups."""
        plain = float(values.var()) * self.rows
        if not plain or self.alone:
            return self.largest_design_effect
        left = self.sums(values) - self.sizes * float(values.mean())
        estimate = float((left**2 / (1 - self.sizes / self.rows)).sum()) / plain
        differs = _rare(values)
        weight = UNSEEN_WEIGHT * exp(-self.effective * float(differs.mean()))
        seen = self._seen(differs)
        mixed = (seen * estimate + weight * self.largest_design_effect) / (seen + weight)
        return max(1.0, estimate, mixed)

    def degrees_of_freedom(self, values: NDArray[np.number | np.bool_]) -> float:
        """Return the degrees of freedom behind the design effect: fewer where few groups differ from the rest."""
        return min(self.effective - 1, max(2 * self._seen(_rare(values)), FEWEST_DEGREES))

    def quantile(self, values: NDArray[np.number | np.bool_], confidence: float) -> float:
        """Return the two-sided quantile of Student's t for the mean of `values`."""
        return float(stdtrit(self.degrees_of_freedom(values), (1 + confidence) / 2))

    def _seen(self, differs: NDArray[np.bool_]) -> int:
        return int(np.count_nonzero(self.sums(differs)))


def _rare(values: NDArray[np.number | np.bool_]) -> NDArray[np.bool_]:
    """Mark the rows whose value is not the most frequent one."""
    if values.dtype == np.bool_ or values.dtype == np.int8:  # few values: counting is faster than sorting
        place = values.astype(np.int64) - int(values.min())
        count = np.bincount(place)
    else:
        _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    rare: NDArray[np.bool_] = place != count.argmax()
    return rare


def codes(names: Sequence[str]) -> NDArray[np.int64]:
    """Return a number from 0 for each group name, one per row."""
    return np.unique(np.asarray(names, dtype=str), return_inverse=True)[1].astype(np.int64)


def places(names: Sequence[str]) -> NDArray[np.int64]:
    """Return the place of each group name in the order of their first appearance, one per row."""
    found: dict[str, int] = {}
    return np.array([found.setdefault(name, len(found)) for name in names], np.int64)


def grouped(groups: NDArray[np.integer]) -> Groups:
    """Return the groups of rows, from one code per row.

    Raises:
        ValueError: there is no row.
    """
    if not len(groups):
        raise ValueError("a mean is undefined for n = 0")
    if groups.min() < 0 or groups.max() > _SPARSE * len(groups):
        _, numbers, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        return Groups(numbers.astype(np.int64), sizes.astype(np.int64))
    sizes = np.bincount(groups)  # the same without sorting
    numbers = (np.cumsum(sizes > 0) - 1)[groups]
    return Groups(numbers.astype(np.int64), sizes[sizes > 0].astype(np.int64))
