"""The shapes that a row may have: one row of the table each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """Which fields make up a row; the first shape whose fields are all there counts."""

    name: str
    needs: tuple[str, ...]
    """Fields that tell this shape from others."""
    request: tuple[str, ...] = ()
    """Fields of the request, joined by line breaks."""
    answer: tuple[str, ...] = ()
    """Fields that may hold the answer, with thinking and `<final>`; the first one that holds something counts."""
    turns: str = ""
    """The field that holds a conversation instead."""
    parts: str = ""
    """The field that holds an object with the thinking roles and the label."""
    labels: tuple[str, ...] = ("four_class_label", "four_class_label_id")
    """Fields of the label; all that are there must agree."""
    otherwise: tuple[str, ...] = ("label", "safety_label")
    """Fields that count as the label where no other does."""


_LABELS = ("four_class_label", "four_class_label_id", "label")
_SAFETY = ("safety_label",)
_ANSWERS = ("output", "response", "completion")

SHAPES: tuple[Shape, ...] = (
    Shape("quadruple", ("text", "quadruple_classification"), ("text",), parts="quadruple_classification"),
    Shape("messages", ("messages",), turns="messages", labels=_LABELS, otherwise=_SAFETY),
    Shape("conversations", ("conversations",), turns="conversations", labels=_LABELS, otherwise=_SAFETY),
    Shape("instruction", ("instruction",), ("instruction", "input"), _ANSWERS),
    Shape("prompt-response", ("prompt",), ("prompt",), ("response", "completion", "output")),
    Shape("input-output", ("input", "output"), ("input",), _ANSWERS),
    Shape("text-output", ("text", "output"), ("text",), _ANSWERS),
    Shape("text-four-class", ("text", "four_class_label"), ("text",)),
    Shape("text-label", ("text", "label"), ("text",), labels=_LABELS, otherwise=_SAFETY),
    Shape("text-safety", ("text", "safety_label"), ("text",)),
)

SCHEMAS = (
    "{text, label}, {text, quadruple_classification}, {instruction, input, output}, {prompt, response},"
    " {messages} or {conversations}"
)
"""For error messages."""
