"""Which names mean that rows are for training, validation or the test, as the `datasets` package has it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_WORDS = {
    "test": ("test",),
    "validation": ("validation", "valid", "val", "dev"),
    "train": ("train", "training"),
}
_SIDES = {word: side for side, words in _WORDS.items() for word in words}
_WORD = re.compile(rf"(?:^|[-._ 0-9/\\])({'|'.join(_SIDES)})(?=[-._ 0-9/\\]|$)", re.IGNORECASE)


def side_named(word: str) -> str | None:
    """Return the side that a word means, such as `validation` for `dev`."""
    return _SIDES.get(word.lower())


def side_of(name: str) -> str | None:
    """Return the side that stands in a name as a word, such as rows_test.csv or val/rows.json; test wins."""
    found = {_SIDES[word.lower()] for word in _WORD.findall(name)}
    return next((side for side in _WORDS if side in found), None)


def sides(names: Sequence[str]) -> list[str | None]:
    """Return the side of each part of a data set: `test` or `validation` for parts with such a name, else `train`.

    None instead of `train` if no part is named test, so that test rows can be held out from these. None for all if
    the names do not distinguish two sides.
    """
    found = [side_of(name) for name in names]
    named = [side if side in {"test", "validation"} else None for side in found]
    if len({side or "train" for side in named}) < 2:
        return [None] * len(names)
    rest = "train" if "test" in named else None
    return [side or rest for side in named]


def sides_of_paths(paths: Sequence[str]) -> list[str | None]:
    """Return the side of each configured file or folder that exists here, by its own name."""
    return sides([Path(path).name if Path(path).exists() else "" for path in paths])
