"""Near-duplicate texts: MinHash over character shingles, found by locality-sensitive hashing.

Rows of one template are all near each other, so a data set of n rows can have n^2 near pairs. Only pairs that may join
two groups are compared, thousands at a time in numpy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from datasketch import MinHash, MinHashLSH
from datasketch.hashfunc import sha1_hash32
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from so8t_shared.progress import Progress, no_progress
from so8t_trainer.data.crowd import Crowd, count_equal
from so8t_trainer.data.progress import few, reported
from so8t_trainer.data.rows import normalized

SHINGLE = 4
"""Characters per shingle; suits English and Japanese."""
_PERMUTATIONS = 128
_WEIGHTS = (0.2, 0.8)
"""Missing a pair costs more than checking an extra one."""
_CROWD = 32
"""Buckets of more texts are compared one text with all others at a time; smaller ones all together."""
_PAIRS_AT_ONCE = 1 << 15

Positions = NDArray[np.intp]


class NearDuplicates:
    """An index for finding near duplicates among texts."""

    def __init__(self, texts: list[str], threshold: float, progress: Progress = no_progress) -> None:
        """`threshold` is the minimum estimated Jaccard similarity (0..1) of near duplicates."""
        self._equal = math.ceil(threshold * _PERMUTATIONS)
        """Hash values that near duplicates have in common, at least."""
        self._hashes = np.zeros((len(texts), _PERMUTATIONS), np.uint32)  # datasketch's hash values have 32 bits
        empty = MinHash(num_perm=_PERMUTATIONS, seed=1, hashfunc=_hash)
        for position, text in reported(texts, progress, "hashing rows"):
            min_hash = empty.copy()  # making one draws its permutations anew
            min_hash.update_batch(shingles(text))
            self._hashes[position] = min_hash.hashvalues
        bands = MinHashLSH(threshold=threshold, num_perm=_PERMUTATIONS, weights=_WEIGHTS)
        starts = range(0, bands.b * bands.r, bands.r)
        self._bands = [_band(self._hashes[:, start : start + bands.r]) for start in starts] if texts else []

    def joined(self, first: Positions, progress: Progress = no_progress) -> Positions:
        """Return for each text the position of the first text of its group: near duplicates belong together.

        So do, from the start, the texts with the same position in `first`. Groups are transitive.
        """
        rows = len(first)
        for number, band in enumerate(self._bands):
            if not few(rows):
                progress(rows * number // len(self._bands), rows, "comparing rows")
            pairs = [pair[:, first[pair[0]] != first[pair[1]]] for pair in band.pairs()]
            first = _merged(first, self._near(np.concatenate([np.empty((2, 0), np.intp), *pairs], axis=1)))
            for members in band.crowds():
                if (first[members] != first[members[0]]).any():
                    group = Crowd(self._hashes[members], self._equal).joined(first[members])
                    first = _merged(first, np.stack([members, group]))
        return first

    def beside(self, held: NDArray[np.bool_]) -> Positions:
        """Return the positions of the texts that are not `held` and near one that is, in order."""
        found = np.zeros(len(held), np.bool_)
        for band in self._bands:
            pairs = [pair[:, held[pair[0]] != held[pair[1]]] for pair in band.pairs()]
            near = self._near(np.concatenate([np.empty((2, 0), np.intp), *pairs], axis=1))
            found[near[~held[near]]] = True
            for members in band.crowds():
                members = members[~found[members]]
                crowd = Crowd(self._hashes[members], self._equal)
                found[members[crowd.beside(held[members])]] = True
        return np.flatnonzero(found)

    def _near(self, pairs: Positions) -> Positions:
        """Return the pairs (2 x n) whose texts are near duplicates."""
        parts = [pairs[:, start : start + _PAIRS_AT_ONCE] for start in range(0, pairs.shape[1], _PAIRS_AT_ONCE)]
        near = [part[:, count_equal(self._hashes[part[0]], self._hashes[part[1]]) >= self._equal] for part in parts]
        return np.concatenate([np.empty((2, 0), np.intp), *near], axis=1)


@dataclass(frozen=True)
class _Band:
    """Some of the hash values; texts that agree in all of them are candidates."""

    bucket: Positions
    """Bucket number of each text that shares its bucket, in order of the buckets."""
    order: Positions
    """Positions of these texts, ascending in each bucket."""
    size: Positions
    """Number of texts in each one's bucket."""

    def pairs(self) -> Iterator[Positions]:
        """Yield the pairs (2 x n) of texts in the small buckets, by their distance there."""
        small = self.size <= _CROWD
        bucket, order = self.bucket[small], self.order[small]
        for distance in range(1, _CROWD):
            same = np.flatnonzero(bucket[distance:] == bucket[:-distance])
            if not len(same):
                return
            yield np.stack([order[same], order[same + distance]])

    def crowds(self) -> Iterator[Positions]:
        """Yield the positions of the texts in each large bucket."""
        large = self.size > _CROWD
        bucket, order = self.bucket[large], self.order[large]
        if len(order):
            yield from np.split(order, np.flatnonzero(np.diff(bucket)) + 1)


def _band(hashes: NDArray[np.uint32]) -> _Band:
    keys = np.ascontiguousarray(hashes).view(np.dtype((np.void, hashes.itemsize * hashes.shape[1]))).ravel()
    _, bucket, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    order = np.argsort(bucket, kind="stable")
    order = order[sizes[bucket[order]] > 1]
    return _Band(bucket[order], order, sizes[bucket[order]])


def _merged(first: Positions, edges: Positions) -> Positions:
    """Return the position of the first text of each one's group after joining the groups of the pairs (2 x n)."""
    if not edges.shape[1]:
        return first
    every = np.arange(len(first))
    left, right = np.concatenate([edges[0], every]), np.concatenate([edges[1], first])
    graph = coo_array((np.ones(len(left), np.bool_), (left, right)), shape=(len(first), len(first)))
    _, group = connected_components(graph, directed=False)
    _, start = np.unique(group, return_index=True)
    joined: Positions = start[group]
    return joined


def shingles(text: str) -> set[str]:
    """Return the character shingles of the normalized text; a shorter text is its own shingle."""
    text = normalized(text)
    return {text[start : start + SHINGLE] for start in range(max(1, len(text) - SHINGLE + 1))}


@lru_cache(maxsize=1 << 18)  # most shingles repeat
def _hash(shingle: str) -> int:
    return int(sha1_hash32(shingle.encode()))
