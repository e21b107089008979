"""Reads neutral prompts with reference answers, and finds all faults of a file at once."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from so8t_shared.config.retention import SHIPPED
from so8t_shared.errors import InputError
from so8t_shared.escapes import visible
from so8t_shared.foreign import UnparsableError, parse_json
from so8t_shared.foreign_yaml import parse_yaml

FEWEST = 30
"""Items below which rare losses may not show at all."""
_MOST_SHOWN = 20
_FILE = "shipped.yaml"
_YAML = {".yaml", ".yml"}
_NEEDED = ("prompt", "reference")
_KEYS = (*_NEEDED, "kind", "language")


@dataclass(frozen=True)
class Item:
    """A neutral prompt with a good answer."""

    prompt: str
    reference: str
    kind: str = "other"
    language: str = "unknown"


def which(rows: str) -> str:
    """What tells sets apart besides the bytes of a file: of the shipped one, its digest."""
    return f"{SHIPPED}: {hashlib.sha256(_shipped()).hexdigest()}" if rows == SHIPPED else "a file"


def read_items(rows: str) -> list[Item]:
    """Return the items of ab_test.retention.rows.

    Raises:
        InputError: the file is missing or has faults; all are listed.
    """
    where, data = (_FILE, _shipped()) if rows == SHIPPED else (rows, _bytes(Path(rows)))
    faults: list[str] = []
    items: list[Item] = []
    places: dict[str, str] = {}
    try:
        for place, value in _values(where, data, faults):
            found = list(_faults(value))
            if not found and (first := places.setdefault(value["prompt"], place)) != place:
                found = [f"the prompt is that of {first}; remove one, or the interval counts it twice"]
            faults += [f"{place}: {fault}" for fault in found]
            if not found:
                items.append(Item(**value))
    except UnparsableError as error:
        faults.append(f"line {error.line or 1}: {error.why}; correct it, and save the file as UTF-8")
    if not faults and len(items) < FEWEST:
        faults = [f"it has {len(items)} items, too few for an interval; write at least {FEWEST}"]
    if faults:
        raise _refused(where, faults)
    return items


def _shipped() -> bytes:
    return (resources.files(__package__) / _FILE).read_bytes()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"The neutral prompts cannot be read: {error.strerror}.",
            where=f"ab_test.retention.rows = {path}",
            remedy=f"correct the path, or write {SHIPPED} for the project's own",
        ) from error


def _values(where: str, data: bytes, faults: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield each item's place and value; lines that are no JSON are faults."""
    if Path(where).suffix.lower() in _YAML:
        try:
            found = parse_yaml(data.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise UnparsableError(f"it is not UTF-8 text (byte {error.start})") from error
        if not isinstance(found, list):
            raise UnparsableError("it holds no list of items", 1)
        yield from ((f"item {number}", value) for number, value in enumerate(found, 1))
        return
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            value = parse_json(line)
        except UnparsableError as error:
            faults.append(f"line {number}: this is no JSON ({visible(error.why)}); write one object per line")
            continue
        yield f"line {number}", value


def _faults(value: Any) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"this is {type(value).__name__}, not keys and values; write {{prompt: ..., reference: ...}}"
        return
    for key in value:
        if key not in _KEYS:
            near = difflib.get_close_matches(str(key), _KEYS, 1)
            hint = f"did you mean {near[0]}?" if near else f"use {', '.join(_KEYS)}"
            yield f"unknown key {visible(str(key))[:40]}; {hint}"
    for key in _NEEDED:
        if key not in value:
            yield f"{key} is missing; add it"
    for key in _KEYS:
        if key in value and not (isinstance(value[key], str) and value[key].strip()):
            yield f"{key} must be text that is not empty; put it in quotes"


def _refused(where: str, faults: list[str]) -> InputError:
    more = len(faults) - _MOST_SHOWN
    lines = [*faults[:_MOST_SHOWN], *([f"{more:,} more faults"] if more > 0 else [])]
    count = "a fault" if len(faults) == 1 else f"{len(faults):,} faults"
    return InputError(
        f"The neutral prompts have {count}.",
        where=f"ab_test.retention.rows = {where}" + "".join(f"\n    - {line}" for line in lines),
        remedy="correct the file; docs/configuration.md says what it holds",
    )
