"""One model's answers from a file."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from so8t_evaluator.compare.faults import Faults, UnusableError, printable, shown
from so8t_evaluator.compare.objects import objects_in, open_log
from so8t_evaluator.compare.reader import Object, Reader, at
from so8t_shared.labels import INVALID, LABELS, canonical_label
from so8t_shared.models.reading import read_answer
from so8t_shared.tables import readers
from so8t_shared.tables.functions import named

_MISSING = object()


class Answered(NamedTuple):
    """A row and the answer to it; equal texts are one object, so that many rows fit into memory."""

    place: str
    gold: str
    predicted: str
    group: str | None
    language: str | None
    category: str | None
    logprobs: dict[str, float] | None
    """Of each label, in the order of LABELS."""


@dataclass
class Log:
    """The answers in a file, by the row's id."""

    path: str
    reader: str = ""
    sha256: str = ""
    rows: dict[str, Answered] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    """Also of rows that have another fault."""


def read_log(path: Path, faults: Faults, *, reader: str = "", fields: Mapping[str, str] | None = None) -> Log:
    """Read a file; `reader` is a name from the table, empty to go by the content; `fields` says where keys are.

    Whatever is wrong with the file or a row goes to `faults`.
    """
    log = Log(printable(str(path), 200))
    try:
        with open_log(path) as file:
            log.sha256 = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
            _fill(log, file, faults, reader, fields or {})
    except UnusableError as error:
        faults.add(str(error))
    if not log.ids and not faults.count:
        faults.add("it holds no row")
    return log


def _fill(log: Log, file: BinaryIO, faults: Faults, name: str, fields: Mapping[str, str]) -> None:
    log.reader = name or _recognize(file)
    reader: Reader = named(readers.BY_NAME[log.reader].reader)
    for place, entry in _entries(reader, file, faults):
        try:
            raw = {**reader.row(entry), **{key: at(entry, path, _MISSING) for key, path in fields.items()}}
        except UnusableError as error:
            faults.add(str(error), place)
            continue
        raw = {key: value for key, value in raw.items() if value is not _MISSING}
        _add(log, raw, place, faults, free_text=reader.free_text)


def _recognize(file: BinaryIO) -> str:
    first = next(objects_in(file, Faults("")), None)
    return readers.recognized(frozenset(first[1]) if first else frozenset()).name


def _entries(reader: Reader, file: BinaryIO, faults: Faults) -> Iterator[tuple[str, Object]]:
    for place, found in objects_in(file, faults):
        yield from reader.entries(place, found)


def _add(log: Log, raw: Object, place: str, faults: Faults, *, free_text: bool) -> None:
    found: list[str] = []

    def checked(check: Callable[[Any], Any], key: str) -> Any:
        try:
            return check(raw.get(key))
        except UnusableError as error:
            found.append(f"{key} {error}")
            return None

    row_id = checked(_id, "id")
    if row_id in log.ids:
        found.append(f"the id {shown(row_id)} is there twice")
    elif row_id is not None:
        log.ids.add(row_id)
    row = Answered(
        place,
        checked(_gold, "gold"),
        checked(_read if free_text else _predicted, "predicted") if "predicted" in raw else "",
        checked(_name, "group"),
        checked(_title, "language"),
        checked(_title, "category"),
        checked(_logprobs, "logprobs"),
    )
    if "predicted" not in raw:
        found.append("predicted is missing; write null for an answer without a class")
    for fault in found:
        faults.add(fault, place)
    if not found and row_id is not None:
        log.rows[row_id] = row


def _id(value: Any) -> str:
    found = _name(value)
    if found is None:
        raise UnusableError("is missing")
    return found


def _name(value: Any) -> str | None:
    """Return a text or whole number as text; None for nothing or an empty text."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise UnusableError(f"is neither text nor a whole number: {shown(value)}")
    with suppress(ValueError):  # too many digits, or half of a surrogate pair
        text = str(value)
        text.encode()
        return sys.intern(text)
    raise UnusableError("is not usable as text")


def _title(value: Any) -> str | None:
    """Return the text, short and safe to print."""
    text = _name(value)
    return None if text is None else sys.intern(printable(text))


_LONGEST_LABEL = 30
"""Longer texts are not worth remembering."""


@lru_cache(maxsize=1000)
def _label_in(text: str) -> str | None:
    return canonical_label(text)


def _label(value: Any) -> str | None:
    return _label_in(value) if isinstance(value, str) and len(value) < _LONGEST_LABEL else canonical_label(value)


def _gold(value: Any) -> str:
    if value is None:
        raise UnusableError("is missing")
    label = _label(value)
    if label is None:
        raise UnusableError(f"is none of {', '.join(LABELS)}: {shown(value)}")
    return label


def _predicted(value: Any) -> str:
    if value is None or value == INVALID:
        return INVALID
    label = _label(value)
    if label is None:
        raise UnusableError(f"is none of {', '.join(LABELS)}, {INVALID}, null: {shown(value)}")
    return label


def _read(value: Any) -> str:
    """Return the class in a tool's answer: a bare label, or what the evaluate stage would read."""
    if not isinstance(value, str):
        return _predicted(value)
    return _label(value) or read_answer(value).predicted


def _logprobs(value: Any) -> dict[str, float] | None:
    if value is None:
        return None
    given = value if isinstance(value, dict) else {}
    named_by = {_label(key): number for key, number in given.items()}
    if len(named_by) != len(given) or set(named_by) != set(LABELS):
        raise UnusableError(f"need a number for each of {', '.join(LABELS)}: {shown(value)}")
    numbers = {label: _number(named_by[label]) for label in LABELS}
    if not all(map(isfinite, numbers.values())):
        raise UnusableError(f"are not finite: {shown(value)}")
    if min(numbers.values()) >= 0 < max(numbers.values()):
        raise UnusableError(f"are no logarithms of probabilities, as none is below 0: {shown(value)}")
    return numbers


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UnusableError(f"are not numbers: {shown(value)}")
    try:
        return float(value)
    except OverflowError:
        return float("inf")
