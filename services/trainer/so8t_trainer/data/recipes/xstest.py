"""XSTest: {id, prompt, type, label: safe or unsafe, focus, note}; CSV. Older files have no label: contrasts are unsafe.

A safe prompt and its unsafe contrast share the focus, so they are one group.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from so8t_trainer.data.recipes.recipe import NO_TEXT, Mapped, Recipe, by_category, word

_UNSAFE = {"contrast_privacy": "DENY"}


def _row(row: Mapping[str, Any], _file: Path) -> Mapped:
    kind = word(row, "type")
    label = word(row, "label").lower() or ("unsafe" if kind.startswith("contrast_") else "safe" if kind else "")
    if label not in {"safe", "unsafe"}:
        return Mapped(label or "none", why="unknown class")
    original, becomes = by_category(label, kind, _UNSAFE, "REFUSE") if label == "unsafe" else (label, "ALLOW")
    if not (text := word(row, "prompt")):
        return Mapped(original, why=NO_TEXT)
    return Mapped(original, becomes, {"text": text, "category": kind, "language": "en", "group": word(row, "focus")})


RECIPE = Recipe(
    "xstest",
    "harmless requests that look harmful, with harmful contrasts",
    "P. Röttger and others, XSTest, https://github.com/paul-rottger/xstest (arXiv:2308.01263)",
    "cc-by-4.0",
    ("prompt", "type"),
    _row,
    "A test set: rows that are trained on no longer measure over-refusal.",
)
