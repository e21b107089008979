"""What models named at many positions, kept between attempts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from so8t_engines.likely_file import LikelyFile, Text, by_id, likely_of
from so8t_shared.errors import IntegrityError

TEXTS: list[Text] = [
    ({"back": "犬"}, likely_of([[3, 7], [8, 9]], [[-0.5, -2.0], [-0.1, -3.0]])),
    ({"back": ""}, likely_of([[4, 1]], [[-0.25, -4.0]])),
]


def _written(folder: Path) -> LikelyFile:
    file = LikelyFile(folder / "new", "a", "key")
    assert not file.known
    file.write(TEXTS)
    return file


def test_round_trip(tmp_path: Path) -> None:
    """All texts come back, from another process's point of view."""
    _written(tmp_path)
    file = LikelyFile(tmp_path / "new", "a", "key")
    assert file.known
    found = list(file)
    assert [about for about, _ in found] == [about for about, _ in TEXTS]
    for (_, likely), (_, expected) in zip(found, TEXTS, strict=True):
        np.testing.assert_array_equal(likely, expected)
    assert by_id(found[0][1], 1) == pytest.approx({8: -0.1, 9: -3.0})
    assert next(iter(by_id(found[0][1], 1))) == 8


def test_what_is_not_whole_is_not_known(tmp_path: Path) -> None:
    """Another key, a truncated file, and one that a kill left without its list."""
    file = _written(tmp_path)
    assert not LikelyFile(tmp_path / "new", "a", "other").known
    likely, index = tmp_path / "new" / "a.likely", tmp_path / "new" / "a.json"
    whole = likely.read_bytes()
    likely.write_bytes(whole[:-1])
    assert not file.known
    likely.write_bytes(whole)
    assert file.known
    index.write_text("{")
    assert not file.known
    with pytest.raises(IntegrityError):
        list(file)


def test_a_writing_that_fails_leaves_nothing_that_counts(tmp_path: Path) -> None:
    """Where the model dies on the way, the texts before are not taken for all of them."""
    file = _written(tmp_path)

    def dies() -> Text:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        file.write(dies() if number else TEXTS[0] for number in range(2))
    assert not file.known
