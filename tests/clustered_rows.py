"""Simulated rows whose values are alike within groups, with a known truth.

`scattered`: each group has its own chances, from a beta (Dirichlet) distribution. `copied`: a row has its group's value
with probability sqrt(correlation), else one of its own. The second is the harder one: rare groups differ as a whole.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Model = Literal["scattered", "copied"]
UNEQUAL = 0
"""As rows per group: 1, 1, 2, 3, 5, 8, 10 and again."""


def group_codes(rows: int, per_group: int) -> NDArray[np.int64]:
    """Return a group for each row."""
    cycle = [1, 1, 2, 3, 5, 8, 10] if per_group == UNEQUAL else [per_group]
    sizes = np.resize(cycle, rows)
    return np.repeat(np.arange(rows), sizes)[:rows]


def draw_values(
    chances: tuple[float, ...],
    groups: NDArray[np.int64],
    correlation: float,
    model: Model,
    sets: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return numbers from 0 [sets, rows], each with its chance; rows of a group are alike by `correlation`."""
    count, every = int(groups.max()) + 1, np.array(chances)
    if model == "copied" or correlation == 0:
        own = rng.choice(len(every), (sets, len(groups)), p=every)
        shared = rng.choice(len(every), (sets, count), p=every)[:, groups]
        return np.where(rng.random(own.shape) < np.sqrt(correlation), shared, own)
    drawn = rng.gamma(np.maximum(every * (1 / correlation - 1), 1e-9), size=(sets, count, len(every)))
    total = drawn.sum(axis=-1, keepdims=True)
    edges = np.cumsum(np.where(total > 0, drawn / np.where(total > 0, total, 1), every), axis=-1)[:, groups, :-1]
    found: NDArray[np.int64] = (rng.random((sets, len(groups), 1)) > edges).sum(axis=-1)
    return found
