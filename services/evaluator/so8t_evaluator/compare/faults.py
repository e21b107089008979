"""Faults in input files: collected, counted, and safe to print."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from so8t_shared.errors import InputError
from so8t_shared.escapes import visible

MOST_SHOWN = 10
"""Faults shown per file, and for the two files beside each other."""


class UnusableError(Exception):
    """A row or a file cannot be used; the message says why."""


@dataclass
class Faults:
    """The first faults in one place, and the number of all."""

    where: str
    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, what: str, place: str = "") -> None:
        """Note a fault."""
        self.count += 1
        if len(self.first) < MOST_SHOWN:
            self.first.append(", ".join(filter(None, (self.where, place))) + f": {what}")


def raise_if_any(found: Sequence[Faults]) -> None:
    """Report all faults at once.

    Raises:
        InputError: there is a fault.
    """
    count = sum(faults.count for faults in found)
    if not count:
        return
    lines: list[str] = []
    for faults in found:
        lines += faults.first
        if faults.count > len(faults.first):
            lines.append(f"{faults.where}: {faults.count - len(faults.first):,} more faults")
    raise InputError(
        "These answers cannot be compared: there is a fault."
        if count == 1
        else f"These answers cannot be compared: there are {count:,} faults.",
        where="\n    - ".join(["input", *lines]),
        remedy="correct the files; docs/compare.md describes what they hold",
    )


def printable(text: str, most: int = 80) -> str:
    """Return the text, cut at `most` characters, with everything escaped that a terminal would obey."""
    return visible(text if len(text) <= most else text[: most - 1] + "…")


def shown(value: Any) -> str:
    """Return a value as one would write it, shortened and printable."""
    return printable(reprlib.repr(value))
