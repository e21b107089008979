"""Translates a file of the original form, key by key; none is dropped in silence."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from so8t_shared.config.faults import field_at, section_of
from so8t_shared.config.model import Config
from so8t_shared.config.nested import assign
from so8t_shared.config.original.keys import BY_KEY, SECTIONS
from so8t_shared.config.original.row import NoEffectError, OriginalFile, Row
from so8t_shared.config.training import Training

_HIDDEN = "(not shown)"

_ONLY_HERE = set(Config.model_fields) - SECTIONS - set(BY_KEY)
_ONLY_THERE = SECTIONS - {"training", *Training.model_fields}


@dataclass(frozen=True)
class Line:
    """What became of one key of a file."""

    key: str
    value: Any
    becomes: str = ""
    """The present key; empty if the key has no effect."""
    result: Any = None
    """The present key's value."""
    why: str = ""
    """Why it has no effect."""


@dataclass(frozen=True)
class Translation:
    """What a file of the original form says, in present keys."""

    file: Path
    lines: list[Line] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """Keys that are unknown, and values that cannot be translated."""

    def renamed(self, old: str, new: str) -> Translation:
        """The same with another present key."""
        lines = [replace(line, becomes=new) if line.becomes == old else line for line in self.lines]
        return replace(self, lines=lines)

    def fill(self, raw: dict[str, Any]) -> dict[str, Any]:
        """Set the present keys in `raw`, and return it."""
        for line in self.lines:
            if line.becomes:
                assign(raw, line.becomes, line.result)
        return raw


def is_original(values: Mapping[str, Any]) -> bool:
    """Whether a file has a section or a key that only the original form has."""
    if not _ONLY_HERE.isdisjoint(values):
        return False
    if not _ONLY_THERE.isdisjoint(values) or ("training" in values and set(values) != {"training"}):
        return True
    return any(key in BY_KEY and _passed(key) is None for key, _ in _flat(values))


def translated(file: Path, values: Mapping[str, Any], stronger: Mapping[str, Any], root: Any) -> Translation:
    """Translate a file's values; present keys that `stronger` sets win, `root` is inputs_root."""
    found = Translation(file)
    flat = dict(_flat(values))
    whole = OriginalFile(flat, root if isinstance(root, str) else None, stronger)
    for key, value in flat.items():
        try:
            found.lines.append(_line(whole, key, value))
        except ValueError as fault:
            found.faults.append(f"{key}: {fault}")
    return found


def _line(file: OriginalFile, key: str, value: Any) -> Line:
    row = BY_KEY.get(key) or _passed(key)
    if key in SECTIONS:
        raise ValueError(f"expected a section, with one key per line; found {value!r}")
    if row is None:
        raise ValueError(f"unknown key{_meant(key)}")
    if value is None:
        return Line(key, value, why="it has no value")
    if not row.becomes:
        return Line(key, _HIDDEN if key.endswith("token") else value, why=row.why)
    try:
        result = row.value(file, key)
    except NoEffectError as reason:
        return Line(key, value, why=str(reason))
    if file.present(row.becomes) is not None:
        return Line(key, value, why=f"{row.becomes} is given in the configuration")
    return Line(key, value, row.becomes, result)


def _passed(key: str) -> Row | None:
    """The row of a present key, which an original file may have in its section, or at the training section's place."""
    for dotted in (key, f"training.{key}"):
        if dotted.startswith("training.") and field_at(Training, dotted.removeprefix("training.")):
            return Row(key, dotted)
    return None


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Dotted keys of two levels; names of TrainingArguments at the top are as good as below training."""
    for name, value in values.items():
        if isinstance(value, Mapping) and (name in SECTIONS or section_of(Training, str(name))):
            yield from ((f"{name}.{key}", inner) for key, inner in value.items())
        elif str(name) in SECTIONS and value is None:
            continue
        else:
            key = str(name)
            yield (f"training.{key}" if key not in BY_KEY and f"training.{key}" in BY_KEY else key), value


def _meant(key: str) -> str:
    """The likely key: a similar name in the section, or the same name in another."""
    section, _, name = key.rpartition(".")
    same_name = [known for known in BY_KEY if known.rpartition(".")[2] == name]
    if same_name:
        return f"; it belongs at {same_name[0]}"
    there = [known.rpartition(".")[2] for known in BY_KEY if known.rpartition(".")[0] == section]
    model = Training if section == "training" else section_of(Training, section) if section else Config
    close = difflib.get_close_matches(name, [*there, *(model.model_fields if model else [])], n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    if section not in SECTIONS:
        near = difflib.get_close_matches(section or name, sorted(SECTIONS), n=1)
        return f"; did you mean {near[0]!r}?" if near else f"; sections are {', '.join(sorted(SECTIONS))}"
    return "; remove it, or comment it out, if only a script of your own reads it"
