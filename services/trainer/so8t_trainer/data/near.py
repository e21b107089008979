"""Near-duplicate texts: MinHash over character shingles, found by locality-sensitive hashing.

Rows of one template are all near each other, so a data set of n rows can have n^2 near pairs. The work per pair is
therefore done in numpy, and irrelevant pairs can be skipped (`besides`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from datasketch import MinHash, MinHashLSH
from numpy.typing import NDArray

from so8t_shared.progress import Progress, no_progress
from so8t_trainer.data.progress import reported
from so8t_trainer.data.rows import normalized

SHINGLE = 4
"""Characters per shingle; suits English and Japanese."""
_PERMUTATIONS = 128
_WEIGHTS = (0.2, 0.8)
"""Missing a pair costs more than checking an extra one."""


class NearDuplicates:
    """An index for finding near duplicates among texts."""

    def __init__(self, texts: list[str], threshold: float, progress: Progress = no_progress) -> None:
        """`threshold` is the minimum estimated Jaccard similarity (0..1) of near duplicates."""
        self._threshold = threshold
        self._hashes = np.zeros((len(texts), _PERMUTATIONS), np.uint32)  # datasketch's hash values have 32 bits
        for position, text in reported(texts, progress, "hashing rows"):
            self._hashes[position] = _min_hash(text).hashvalues
        bands = MinHashLSH(threshold=threshold, num_perm=_PERMUTATIONS, weights=_WEIGHTS)
        starts = range(0, bands.b * bands.r, bands.r)
        self._bands = [_band(self._hashes[:, start : start + bands.r]) for start in starts] if texts else []

    def of(self, position: int, besides: NDArray[np.bool_] | None = None) -> list[int]:
        """Return the positions of the texts near the text at `position`, in order, excluding itself.

        Texts for which `besides` is true are skipped.
        """
        candidate = np.zeros(len(self._hashes), np.bool_)
        for band in self._bands:
            candidate[band.alike(position)] = True
        candidate[position] = False
        if besides is not None:
            candidate &= ~besides
        candidates = np.flatnonzero(candidate)
        similarity = (self._hashes[candidates] == self._hashes[position]).mean(axis=1)
        near: list[int] = candidates[similarity >= self._threshold].tolist()
        return near


@dataclass(frozen=True)
class _Band:
    """Some of the hash values; texts that agree in all of them are candidates."""

    bucket: NDArray[np.intp]
    """Bucket number of each text; texts that agree share a bucket."""
    order: NDArray[np.intp]
    """Positions of the texts, sorted by bucket."""
    starts: NDArray[np.intp]
    """Start of each bucket in `order`, followed by the end of the last bucket."""

    def alike(self, position: int) -> NDArray[np.intp]:
        """Return the positions of the texts in the same bucket as the text at `position`."""
        bucket = self.bucket[position]
        return self.order[self.starts[bucket] : self.starts[bucket + 1]]


def _band(hashes: NDArray[np.uint32]) -> _Band:
    _, bucket, sizes = np.unique(hashes, axis=0, return_inverse=True, return_counts=True)
    return _Band(bucket, np.argsort(bucket, kind="stable"), np.concatenate([[0], np.cumsum(sizes)]))


def shingles(text: str) -> set[str]:
    """Return the character shingles of the normalized text; a shorter text is its own shingle."""
    text = normalized(text)
    return {text[start : start + SHINGLE] for start in range(max(1, len(text) - SHINGLE + 1))}


def _min_hash(text: str) -> MinHash:
    min_hash = MinHash(num_perm=_PERMUTATIONS, seed=1)
    min_hash.update_batch([shingle.encode() for shingle in sorted(shingles(text))])
    return min_hash
