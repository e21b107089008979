"""OR-Bench: {prompt, category}; the file's name says the class: or-bench-80k, or-bench-hard-1k, or-bench-toxic."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from so8t_trainer.data.recipes.recipe import OVER_REFUSAL_TEST, Mapped, Recipe, by_category, english_prompt, word

_TOXIC = {"privacy": "DENY"}


def _row(row: Mapping[str, Any], file: Path) -> Mapped:
    category = word(row, "category")
    if "toxic" in file.stem.lower():
        original, becomes = by_category("toxic", category, _TOXIC)
    elif any(part in file.stem.lower() for part in ("80k", "hard")):
        original, becomes = "seemingly toxic", "ALLOW"
    else:
        return Mapped("none", why="the file's name has none of 80k, hard and toxic, which say the class")
    return english_prompt(row, original, becomes, category)


RECIPE = Recipe(
    "or-bench",
    "harmless requests that look harmful; the toxic ones are a file of their own",
    "J. Cui and others, OR-Bench, https://huggingface.co/datasets/bench-llm/or-bench (arXiv:2405.20947)",
    "cc-by-4.0",
    ("prompt", "category"),
    _row,
    OVER_REFUSAL_TEST,
)
