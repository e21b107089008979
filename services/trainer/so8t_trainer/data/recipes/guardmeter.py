"""GuardMeter: {id, text, context, label: benign, borderline or unsafe, category, attack_family, language}; CSV, JSONL.

A variant of a row has its id with -a1, -a2 and so on behind it, and belongs to its group.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from so8t_trainer.data.recipes.recipe import NO_TEXT, UNKNOWN, Mapped, Recipe, classes, word

_VARIANT = re.compile(r"(-a\d+)+$")
_UNSAFE = {"pii": "DENY", "prompt_injection": "DENY"}
_OTHERS = {"benign": "ALLOW", "borderline": "ESCALATION"}


def _row(row: Mapping[str, Any], _file: Path) -> Mapped:
    label, category = word(row, "label").lower(), word(row, "category")
    original, becomes = classes(label, category, harmful="unsafe", by=_UNSAFE, others=_OTHERS)
    if not becomes:
        return Mapped(original, why=UNKNOWN)
    text, context = word(row, "text"), row.get("context")
    if not text:
        return Mapped(original, why=NO_TEXT)
    if context is not None and not isinstance(context, str):
        return Mapped(original, why="its context is not text")
    said = {"text": f"{context.strip()}\n\n{text}" if context and context.strip() else text}
    about = {"category": word(row, "attack_family") or category, "language": word(row, "language")}
    return Mapped(original, becomes, {**said, **about, "group": _VARIANT.sub("", word(row, "id"))})


RECIPE = Recipe(
    "guardmeter",
    "attacks on assistants and their harmless look-alikes, many languages",
    "S. Vardani, GuardMeter, https://github.com/samvardani/guardmeter",
    "cc-by-4.0",
    ("text", "label", "category"),
    _row,
    "Synthetic. Meant for testing guards; its card asks not to train attackers on it.",
)
