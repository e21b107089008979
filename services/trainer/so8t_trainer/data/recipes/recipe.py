"""What a recipe of a public data set consists of."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NO_TEXT = "no request"


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


def by_category(original: str, category: str, labels: Mapping[str, str], default: str) -> tuple[str, str]:
    """Return the class with its category, and the label that the category has, or else `default`."""
    return (f"{original}, {category}" if category else original), labels.get(category, default)
