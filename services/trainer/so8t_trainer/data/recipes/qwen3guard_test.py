"""Qwen3GuardTest: {message: [{role, content}], label: Safe or Unsafe, unsafe_type, source}; three files.

Its labels judge what the assistant wrote. An unsafe answer means that the request asked for it; a safe one may be a
refusal of a harmful request, so that its request has no known class.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from so8t_trainer.data.recipes.recipe import NO_TEXT, UNKNOWN, Mapped, Recipe, by_category, word

_LABELS = {
    "PII, Personally Identifiable Information": "DENY",
    "Copyright Violation": "DENY",
    "Politically Sensitive Topics": "ESCALATION",
}


def _row(row: Mapping[str, Any], _file: Path) -> Mapped:
    label = word(row, "label").lower()
    if label == "safe":
        return Mapped("Safe", why="the label judges the answer: a safe one may refuse a harmful request")
    if label not in {"unsafe", "controversial"}:
        return Mapped(word(row, "label") or "none", why=UNKNOWN)
    original, becomes = by_category(label.capitalize(), word(row, "unsafe_type"), _LABELS)
    turns = _asked(row.get("message"))
    if not turns:
        return Mapped(original, why=NO_TEXT)
    said = {"text": turns[0]["content"]} if len(turns) == 1 else {"messages": turns}
    becomes = "ESCALATION" if label == "controversial" else becomes
    return Mapped(original, becomes, {**said, "category": word(row, "unsafe_type")})


def _asked(message: Any) -> list[dict[str, str]]:
    """The turns up to the user's last one, before the answer that is judged."""
    given = message if isinstance(message, list) else []
    turns = [{"role": word(turn, "role"), "content": word(turn, "content")} for turn in given if _is_turn(turn)]
    while turns and turns[-1]["role"] != "user":
        turns.pop()
    return turns


def _is_turn(turn: Any) -> bool:
    return isinstance(turn, Mapping) and bool(word(turn, "content"))


RECIPE = Recipe(
    "qwen3guard-test",
    "requests that led to an unsafe answer",
    "Qwen Team, Qwen3GuardTest, https://huggingface.co/datasets/Qwen/Qwen3GuardTest (arXiv:2510.14276)",
    "cc-by-nc-4.0",
    ("message", "label"),
    _row,
    "Not for commercial use. A test set: use it as ab_test.test_data, which is not trained on.",
)
