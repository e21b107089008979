"""Near duplicates are those that datasketch's own index and estimate give."""

from __future__ import annotations

import random

import numpy as np
import pytest
from datasketch import MinHash, MinHashLSH
from tests.unit.trainer.data.test_split import _sentence

from so8t_trainer.data.near import NearDuplicates, shingles


def _reference(texts: list[str], threshold: float) -> list[list[int]]:
    """Near texts of each, by datasketch alone, a pair at a time."""
    hashes = []
    for text in texts:
        hashes.append(MinHash(num_perm=128, seed=1))
        hashes[-1].update_batch([shingle.encode() for shingle in shingles(text)])
    index = MinHashLSH(threshold=threshold, num_perm=128, weights=(0.2, 0.8))
    for position, min_hash in enumerate(hashes):
        index.insert(position, min_hash)
    return [
        sorted(i for i in index.query(own) if i != position and own.jaccard(hashes[i]) >= threshold)
        for position, own in enumerate(hashes)
    ]


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.95])
def test_near_texts_are_those_of_datasketch(threshold: float) -> None:
    """Over texts of every degree of likeness, and over exact repetitions."""
    draw = random.Random(3)
    originals = [_sentence(i).split() for i in range(12)]
    texts = []
    for _ in range(90):
        words = draw.choice(originals).copy()
        for _ in range(draw.randrange(4)):
            words[draw.randrange(len(words))] = draw.choice(["x", "yes", "zebra"])
        texts.append(" ".join(words))
    expected = _reference(texts, threshold)
    near = NearDuplicates(texts, threshold)
    assert [near.of(i) for i in range(len(texts))] == expected
    assert sum(map(len, expected)) > 20
    besides = np.arange(len(texts)) < 50
    assert [near.of(i, besides) for i in range(len(texts))] == [[i for i in found if i >= 50] for found in expected]


def test_near_duplicates_are_found_in_japanese() -> None:
    """Characters, not words, are compared."""
    texts = [
        "田中さんの給与明細を今日中に私へ転送してください。",
        "鈴木さんの給与明細を今日中に私へ転送してください。",
        "パンの焼き方を教えて",
    ]
    near = NearDuplicates(texts, 0.6)
    assert [near.of(0), near.of(1), near.of(2)] == [[1], [0], []]


def test_no_texts() -> None:
    """An index over nothing can be made."""
    NearDuplicates([], 0.8)
