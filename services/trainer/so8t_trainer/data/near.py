"""Near-duplicate texts: MinHash over character shingles, found by locality-sensitive hashing."""

from __future__ import annotations

import numpy as np
from datasketch import MinHash, MinHashLSH

from so8t_trainer.data.rows import normalised

SHINGLE = 4
"""Characters in a shingle; fits English and Japanese."""
_PERMUTATIONS = 128
_WEIGHTS = (0.2, 0.8)
"""Missing a pair costs more than checking one too many."""


class NearDuplicates:
    """An index over texts that answers which of them are near duplicates of each other."""

    def __init__(self, texts: list[str], threshold: float) -> None:
        """`threshold`: estimated Jaccard similarity (0..1) from which two texts count as near."""
        self._threshold = threshold
        self._hashes = [_min_hash(text) for text in texts]
        self._index = MinHashLSH(threshold=threshold, num_perm=_PERMUTATIONS, weights=_WEIGHTS)
        for position, min_hash in enumerate(self._hashes):
            self._index.insert(position, min_hash)

    def of(self, position: int) -> list[int]:
        """Positions of the texts near to the text at `position`, itself left out, in order."""
        own = self._hashes[position]
        candidates = sorted(other for other in self._index.query(own) if other != position)
        return [other for other in candidates if self._similarity(position, other) >= self._threshold]

    def _similarity(self, one: int, other: int) -> float:
        return float(np.mean(self._hashes[one].hashvalues == self._hashes[other].hashvalues))


def shingles(text: str) -> set[str]:
    """Character shingles of the normalised text; a shorter text is its own shingle."""
    text = normalised(text)
    return {text[start : start + SHINGLE] for start in range(max(1, len(text) - SHINGLE + 1))}


def _min_hash(text: str) -> MinHash:
    min_hash = MinHash(num_perm=_PERMUTATIONS, seed=1)
    min_hash.update_batch([shingle.encode() for shingle in sorted(shingles(text))])
    return min_hash
