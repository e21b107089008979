"""What a reader of logs is, and what all of them need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]


def _itself(place: str, found: Object) -> Iterator[tuple[str, Object]]:
    yield place, found


@dataclass(frozen=True)
class Reader:
    """How a tool's log becomes rows."""

    row: Callable[[Object], Object]
    """Turns a tool's entry into an object with the keys of `tables.readers`; raises UnusableError without an answer."""
    entries: Callable[[str, Object], Iterator[tuple[str, Object]]] = _itself
    """Yields the entries in one object of the file, each with its place; raises UnusableError."""
    free_text: bool = True
    """Whether `predicted` may be a text, from which a class is read as from a model's answer."""


def at(found: Any, path: str, default: Any = None) -> Any:
    """Return the value at a dotted path, such as "doc.label" or "choices.0.text"; `default` if there is none."""
    for part in path.split("."):
        if isinstance(found, dict) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            return default
    return found


def first_at(found: Any, *paths: str) -> Any:
    """Return the first value that is not None at one of the paths."""
    return next((value for path in paths if (value := at(found, path)) is not None), None)
