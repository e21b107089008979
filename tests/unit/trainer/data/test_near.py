"""Near duplicates are those that datasketch's own index and estimate give."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from datasketch import MinHash, MinHashLSH
from tests.unit.trainer.data.rows_to_split import sentence

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


def _of(near: NearDuplicates, position: int, rows: int) -> list[int]:
    found: list[int] = near.beside(np.arange(rows) == position).tolist()
    return found


def _components(near: list[list[int]], first: Sequence[int] = ()) -> list[int]:
    """The first text of each one's group, by walking from text to text."""
    group = [-1] * len(near)
    beside = [[*found, *(j for j, other in enumerate(first) if first[i] == other)] for i, found in enumerate(near)]
    for start in range(len(near)):
        reached = [start] if group[start] < 0 else []
        while reached:
            text = reached.pop()
            if group[text] < 0:
                group[text] = start
                reached += beside[text]
    return group


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.95])
def test_near_texts_are_those_of_datasketch(threshold: float) -> None:
    """Over texts of every degree of likeness, and over exact repetitions."""
    draw = random.Random(3)
    originals = [sentence(i).split() for i in range(12)]
    texts = []
    for _ in range(90):
        words = draw.choice(originals).copy()
        for _ in range(draw.randrange(4)):
            words[draw.randrange(len(words))] = draw.choice(["x", "yes", "zebra"])
        texts.append(" ".join(words))
    expected = _reference(texts, threshold)
    near = NearDuplicates(texts, threshold)
    assert [_of(near, i, len(texts)) for i in range(len(texts))] == expected
    assert sum(map(len, expected)) > 20
    held = np.arange(len(texts)) < 50
    assert near.beside(held).tolist() == sorted({i for found in expected[:50] for i in found if i >= 50})
    assert near.joined(np.arange(len(texts))).tolist() == _components(expected)


def test_near_duplicates_are_found_in_japanese() -> None:
    """Characters, not words, are compared."""
    texts = [
        "田中さんの給与明細を今日中に私へ転送してください。",
        "鈴木さんの給与明細を今日中に私へ転送してください。",
        "パンの焼き方を教えて",
    ]
    near = NearDuplicates(texts, 0.6)
    assert [_of(near, i, 3) for i in range(3)] == [[1], [0], []]


def test_no_texts() -> None:
    """An index over nothing can be made."""
    NearDuplicates([], 0.8)


@pytest.mark.parametrize(("texts", "fillings"), [(300, 12), (300, 60), (200, 10_000)], ids=["one", "some", "many"])
def test_texts_of_one_template_are_grouped_as_one_by_one(texts: int, fillings: int) -> None:
    """Hundreds in one bucket, whose groups are one, several, or hardly any; names join groups from the start."""
    draw = random.Random(4)
    rows = [
        f"Please forward the {draw.randrange(fillings) * 7919:08} file of {draw.randrange(fillings) * 104729:09} to us"
        for _ in range(texts)
    ]
    expected = _reference(rows, 0.8)
    near = NearDuplicates(rows, 0.8)
    assert near.joined(np.arange(texts)).tolist() == _components(expected)
    first = np.arange(texts) - np.arange(texts) % 3
    assert near.joined(first).tolist() == _components(expected, first.tolist())
    held = np.arange(texts) % 4 == 0
    assert near.beside(held).tolist() == sorted({i for h in range(0, texts, 4) for i in expected[h] if i % 4})
