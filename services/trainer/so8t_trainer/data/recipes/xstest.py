"""XSTest: {id, prompt, type, label: safe or unsafe, focus, note}; CSV. Older files have no label: contrasts are unsafe.

A safe prompt and its unsafe contrast share the focus, so they are one group.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from so8t_trainer.data.recipes.recipe import OVER_REFUSAL_TEST, UNKNOWN, Mapped, Recipe, classes, english_prompt, word

_UNSAFE = {"contrast_privacy": "DENY"}


def _row(row: Mapping[str, Any], _file: Path) -> Mapped:
    kind = word(row, "type")
    label = word(row, "label").lower() or ("unsafe" if kind.startswith("contrast_") else "safe" if kind else "")
    original, becomes = classes(label, kind, harmful="unsafe", by=_UNSAFE, others={"safe": "ALLOW"})
    if not becomes:
        return Mapped(original, why=UNKNOWN)
    return english_prompt(row, original, becomes, kind, word(row, "focus"))


RECIPE = Recipe(
    "xstest",
    "harmless requests that look harmful, with harmful contrasts",
    "P. Röttger and others, XSTest, https://github.com/paul-rottger/xstest (arXiv:2308.01263)",
    "cc-by-4.0",
    ("prompt", "type"),
    _row,
    OVER_REFUSAL_TEST,
)
