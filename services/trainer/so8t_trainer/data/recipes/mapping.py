"""Maps a file of a public data set to rows of the four classes, with a card that says where they come from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from so8t_shared.dataset_card import CARD
from so8t_shared.errors import InputError
from so8t_shared.files import sha256_file, write_together
from so8t_trainer.data.faults import all_faults
from so8t_trainer.data.formats import read_or_fault
from so8t_trainer.data.recipes.recipe import Recipe
from so8t_trainer.data.recipes.table import BY_NAME, RECIPES


@dataclass
class Outcome:
    """Number of rows by original class and what they became."""

    kept: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By original class and label."""
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By original class and reason."""


def map_file(name: str, file: Path, out: Path) -> Outcome:
    """Write `out` (JSONL) and its card from a file of the public set `name`; neither if there is a fault.

    Raises:
        InputError: no such recipe, rows are not of that set or cannot be read (it names all of them), no row can be
            mapped, or another set's card is there.
        StorageError: the folder cannot be written.
    """
    recipe = _recipe(name)
    outcome, lines = _mapped(recipe, file)
    if not lines:
        reasons = "; ".join(f"{count} rows: {why}" for (_, why), count in outcome.left_out.items()) or "it has no rows"
        raise InputError(f"No row of the file can be mapped: {reasons}.", where=str(file), remedy=_columns(recipe))
    card = _card(out.parent / CARD, recipe, file, outcome)
    written = {
        out: "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode(),
        out.parent / CARD: yaml.safe_dump(card, sort_keys=False, allow_unicode=True).encode(),
    }
    write_together(written)
    return outcome


def _mapped(recipe: Recipe, file: Path) -> tuple[Outcome, list[dict[str, Any]]]:
    """Map every row of a file.

    Raises:
        InputError: names all rows that cannot be read.
    """
    outcome, lines, faults = Outcome(), list[dict[str, Any]](), list[InputError]()
    for raw, where in read_or_fault(file):
        try:
            mapped = recipe.row(_columns_of(recipe, raw, where), file)
        except InputError as fault:
            faults.append(fault.with_traceback(None))  # which holds the row
            continue
        if mapped.label:
            outcome.kept[mapped.original, mapped.label] += 1
            lines.append({**{key: value for key, value in mapped.row.items() if value}, "label": mapped.label})
        else:
            outcome.left_out[mapped.original, mapped.why] += 1
    if faults:
        raise all_faults(faults, remedy="correct or remove these rows; nothing was written")
    return outcome, lines


def _recipe(name: str) -> Recipe:
    if name not in BY_NAME:
        known = "; ".join(f"{recipe.name}: {recipe.summary}" for recipe in RECIPES)
        raise InputError(f"There is no recipe named {name!r}.", where="NAME", remedy=f"use one of {known}")
    return BY_NAME[name]


def _columns_of(recipe: Recipe, raw: object, where: str) -> Mapping[str, Any]:
    """Return a record as a row of this set.

    Raises:
        InputError: it is none, or could not be read.
    """
    if isinstance(raw, InputError):
        raise raw
    if not isinstance(raw, Mapping):
        raise InputError("A row must be an object with fields.", where=where, remedy=_columns(recipe))
    if missing := [name for name in recipe.needs if name not in raw]:
        what = f"The row lacks {' and '.join(missing)}; its columns are {', '.join(map(str, raw)) or 'none'}."
        raise InputError(what, where=where, remedy=_columns(recipe))
    return raw


def _columns(recipe: Recipe) -> str:
    return f"give a file of {recipe.name} as published ({recipe.origin}), with the columns {', '.join(recipe.needs)}"


def _card(path: Path, recipe: Recipe, file: Path, outcome: Outcome) -> dict[str, Any]:
    """The card, with what an earlier file of the same set left in it.

    Raises:
        InputError: another set's card is there; one card counts for all files of a folder.
    """
    earlier = _earlier_files(path, recipe) if path.is_file() else []
    this = {
        "name": file.name,
        "sha256": sha256_file(file),
        "classes": [f"{old} -> {new}: {count}" for (old, new), count in sorted(outcome.kept.items())],
        "left_out": [f"{old} ({why}): {count}" for (old, why), count in sorted(outcome.left_out.items())],
    }
    files = [*(known for known in earlier if known.get("name") != file.name), this]
    names = ", ".join(str(known.get("name")) for known in files)
    return {
        "license": recipe.license,
        "provenance": f"{recipe.origin}; {names}, mapped to four classes",
        "license_notes": recipe.notes,
        "recipe": recipe.name,
        "files": files,
    }


def _earlier_files(path: Path, recipe: Recipe) -> list[dict[str, Any]]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        values = None
    if not isinstance(values, dict) or values.get("recipe") != recipe.name:
        raise InputError(
            "The folder already has the card of another data set.", where=str(path), remedy="write to another folder"
        )
    files = values.get("files")
    return [known for known in files if isinstance(known, dict)] if isinstance(files, list) else []
