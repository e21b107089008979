"""Blocks of a segment: whole or absent."""

from __future__ import annotations

import hashlib

import pytest

from so8t_shared.artifacts.blocks import count_of, key_bytes, keys_of, pack, split, unpack

ENTRIES = [
    (hashlib.sha256(bytes([number])).digest(), {"answer": "日本語", "numbers": [number, 2.5, None], "lone": "\ud800"})
    for number in range(3)
]
BLOCK = pack(ENTRIES)


def test_blocks_come_back() -> None:
    """One after the other, with keys that need no unpacking."""
    segment = BLOCK + pack(ENTRIES[:1])
    first, second = split(segment)
    assert (unpack(first), unpack(second)) == (ENTRIES, ENTRIES[:1])
    assert keys_of(first) == [key for key, _ in ENTRIES]
    assert (count_of(first), count_of(second)) == (3, 1)
    assert list(split(b"")) == []


def test_every_cut_leaves_the_blocks_before_it() -> None:
    """A torn last block is ignored."""
    for end in range(len(BLOCK)):
        assert list(split(BLOCK + BLOCK[:end])) == [BLOCK]


def test_every_flip_is_absence() -> None:
    """A block in which any bit of a byte differs counts as absent, never as something else."""
    for index in range(len(BLOCK)):
        for bit in (1, 128):
            flipped = BLOCK[:index] + bytes([BLOCK[index] ^ bit]) + BLOCK[index + 1 :]
            assert all(unpack(block) in (ENTRIES, []) for block in split(flipped + BLOCK)), index


def test_a_damaged_body_is_skipped() -> None:
    """The blocks after it are still found."""
    assert list(split(BLOCK[:-1] + b"?" + BLOCK)) == [BLOCK]


def test_a_newer_format_is_absence() -> None:
    """What follows the mark of a newer program is not understood."""
    assert list(split(b"S8B2" + BLOCK[4:])) == []


@pytest.mark.parametrize("key", ["", "ab", "../../sessions/x", "g" * 64, "0" * 66])
def test_odd_keys_are_refused(key: str) -> None:
    """Only the hex of a sha256 is a key."""
    with pytest.raises(ValueError, match=r"."):
        key_bytes(key)
