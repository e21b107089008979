"""Which side of the split a file or a part of a Hub data set is on by its name, as the `datasets` package reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_TEST = re.compile(r"(?:^|[-._ 0-9/])test(?:[-._ 0-9/]|$)", re.IGNORECASE)


def is_named_test(name: str) -> bool:
    """Whether `test` is a word of the name: test.jsonl, test-00000-of-00001.parquet, rows_test.csv, test/rows.json."""
    return _TEST.search(name) is not None


def sides(names: Sequence[str]) -> list[str | None]:
    """The side of each part of a data set: `test` for those named so, `train` for the others.

    None for all where none is named so, or all are: then the names tell no two sides apart.
    """
    tests = [is_named_test(name) for name in names]
    if any(tests) and not all(tests):
        return ["test" if test else "train" for test in tests]
    return [None] * len(names)


def with_side(raw: object, side: str | None) -> object:
    """The row on that side, unless it says itself where it belongs."""
    if side is None or not isinstance(raw, Mapping) or raw.get("split"):
        return raw
    return {**raw, "split": side}
