"""Near duplicates among many similar texts, such as rows of one template.

Such texts agree in most hash values. One bit per value says whether it differs from the usual one: where the bits of
two texts differ, so do their values. Comparing the bits, 16 bytes a text, rules out most pairs, and no near one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SAMPLE = 255
"""Texts that the usual values are taken from; odd, so that their median is a value that one has."""


class Crowd:
    """Hash values of texts, 128 each; texts are near if at least `equal` of these agree."""

    def __init__(self, hashes: NDArray[np.uint32], equal: int) -> None:
        self._hashes = hashes
        self._equal = equal
        sample = np.sort(hashes[:: max(1, len(hashes) // _SAMPLE)][:_SAMPLE], axis=0)
        unusual = np.packbits(hashes != sample[len(sample) // 2 : len(sample) // 2 + 1], axis=1)
        self._bits = np.ascontiguousarray(unusual).view(np.uint64)

    def joined(self, group: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the group of each text after joining groups with near texts; one of the numbers stands for all.

        Each round takes some texts outside the largest group, compares each with all that are left, and drops it. So
        texts that are soon found to belong together are not compared with each other.
        """
        group = group.copy()
        rest, step = np.arange(len(group)), 1
        while True:
            outside = group[rest] != _largest(group[rest])
            if not outside.any():
                return group
            rest = np.concatenate([rest[outside], rest[~outside]])
            bits, step = self._bits[rest], min(step, int(outside.sum()))
            for place in range(step):
                others = rest[place + 1 :][self._maybe(bits[place], bits[place + 1 :])]
                others = others[group[others] != group[rest[place]]]
                near = np.unique(group[others[self._is_near(rest[place], others)]])
                if len(near):
                    group[np.isin(group, near)] = group[rest[place]]
            rest, step = rest[step:], step * 2

    def beside(self, held: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return the positions of the texts that are not held and near one that is."""
        found = [np.empty(0, np.intp)]
        free = np.flatnonzero(~held)
        bits = self._bits[free]
        for text in np.flatnonzero(held):
            if not len(free):
                break
            maybe = np.flatnonzero(self._maybe(self._bits[text], bits))
            near = maybe[self._is_near(text, free[maybe])]
            if len(near):
                found.append(free[near])
                free, bits = np.delete(free, near), np.delete(bits, near, axis=0)
        return np.concatenate(found)

    def _maybe(self, bits: NDArray[np.uint64], others: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Whether each of the others differs in so few bits that it may be near."""
        differing = np.bitwise_count(others ^ bits)
        most = self._hashes.shape[1] - self._equal
        few: NDArray[np.bool_] = differing[:, 0] + differing[:, 1] <= most
        return few

    def _is_near(self, text: int | np.intp, others: NDArray[np.intp]) -> NDArray[np.bool_]:
        near: NDArray[np.bool_] = count_equal(self._hashes[others], self._hashes[text]) >= self._equal
        return near


def count_equal(left: NDArray[np.uint32], right: NDArray[np.uint32]) -> NDArray[np.intp]:
    """Return how many hash values of each text (one per line) agree."""
    equal: NDArray[np.intp] = np.count_nonzero(left == right, axis=1)
    return equal


def _largest(group: NDArray[np.intp]) -> np.intp:
    names, sizes = np.unique(group, return_counts=True)
    largest: np.intp = names[sizes.argmax()]
    return largest
