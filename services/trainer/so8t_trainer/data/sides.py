"""Assigns a file or Hub split to train or test by its name, as the `datasets` package does."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_TEST = re.compile(r"(?:^|[-._ 0-9/])test(?:[-._ 0-9/]|$)", re.IGNORECASE)


def is_named_test(name: str) -> bool:
    """Whether `test` is a word in the name: test.jsonl, test-00000-of-00001.parquet, rows_test.csv, test/rows.json."""
    return _TEST.search(name) is not None


def sides(names: Sequence[str]) -> list[str | None]:
    """Return the side of each part of a data set: `test` for parts named test, `train` for the others.

    None for all if no part or every part is named test: then the names do not distinguish two sides.
    """
    tests = [is_named_test(name) for name in names]
    if any(tests) and not all(tests):
        return ["test" if test else "train" for test in tests]
    return [None] * len(names)


def with_side(raw: object, side: str | None) -> object:
    """Return the row assigned to this side, unless the row itself specifies one."""
    if side is None or not isinstance(raw, Mapping) or raw.get("split"):
        return raw
    return {**raw, "split": side}
