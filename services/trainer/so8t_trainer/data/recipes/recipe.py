"""What a recipe of a public data set consists of."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NO_TEXT = "no request"
UNKNOWN = "unknown class"
OVER_REFUSAL_TEST = "A test set: rows that are trained on no longer measure over-refusal."
"""Note of sets of harmless requests that look harmful."""


@dataclass(frozen=True)
class Mapped:
    """One row of a public set: its class there, and what it becomes here."""

    original: str
    """Its class as the set names it, with the category where the class depends on it."""
    label: str = ""
    """One of the four classes; empty if the row is left out."""
    row: Mapping[str, Any] = field(default_factory=dict)
    """Fields text or messages, category, language, group; empty ones are not written."""
    why: str = ""
    """Why it is left out."""


@dataclass(frozen=True)
class Recipe:
    """A public data set: what it is, its terms, and how one row of its files is read."""

    name: str
    summary: str
    origin: str
    """Who made it, and where it is published."""
    license: str
    needs: tuple[str, ...]
    """Columns without which a file is not of this set."""
    row: Callable[[Mapping[str, Any], Path], Mapped]
    """Maps a row of a file; may look at the file's name, which some sets use as a class."""
    notes: str = ""
    """What its license or its use asks for beyond the license's name."""


def word(row: Mapping[str, Any], name: str) -> str:
    """Return a field as text without surrounding space; empty if it is missing or null."""
    value = row.get(name)
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if missing else str(value).strip()


def by_category(original: str, category: str, labels: Mapping[str, str]) -> tuple[str, str]:
    """Return a harmful class with its category, and the label that the category has, or else REFUSE."""
    return (f"{original}, {category}" if category else original), labels.get(category, "REFUSE")


def classes(
    original: str, category: str, *, harmful: str, by: Mapping[str, str], others: Mapping[str, str]
) -> tuple[str, str]:
    """Return a row's class in the set, and its label; no label if the class is unknown.

    The label of the class `harmful` depends on the category, that of all `others` does not.
    """
    return (
        by_category(original, category, by) if original == harmful else (original or "none", others.get(original, ""))
    )


def english_prompt(row: Mapping[str, Any], original: str, label: str, category: str, group: str = "") -> Mapped:
    """Map a row whose request is its column `prompt`; left out if that is empty."""
    text = word(row, "prompt")
    if not text:
        return Mapped(original, why=NO_TEXT)
    return Mapped(original, label, {"text": text, "category": category, "language": "en", "group": group})
