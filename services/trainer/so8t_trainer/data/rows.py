"""A labelled row, and the four shapes in which a data set may hold one."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from so8t_shared.errors import InputError
from so8t_shared.labels import LABELS, canonical_label
from so8t_shared.prompts import parse_final
from so8t_shared.results.training import TestRow

Record = Mapping[str, Any]

SCHEMAS = (
    "{text, quadruple_classification}, {text, label}, {instruction, input, output, four_class_label} or {messages}"
)
_THINKING = ("task", "safety", "policy")
_THINK_TAG = re.compile(r"<think-(task|safety|policy)>(.*?)</think-\1>", re.IGNORECASE | re.DOTALL)
_NOT_NSFW = {"", "0", "false", "no", "none", "null", "normal", "safe", "sfw"}


@dataclass(frozen=True)
class Row:
    """One labelled request, wherever it came from."""

    text: str
    label: str
    where: str
    schema: str
    thinking: dict[str, str] = field(default_factory=dict)
    language: str = "unknown"
    category: str = ""
    nsfw: bool = False
    group: str | None = None
    """Rows of the same group (a template, a conversation) stay on one side of the split."""
    split: str | None = None
    """`train` or `test` where the data set's author has fixed it."""

    def exported(self) -> TestRow:
        """The row as it is written to splits/*.jsonl."""
        return TestRow(
            id=row_id(self.text),
            text=self.text,
            label=self.label,
            thinking=self.thinking,
            language=self.language,
            category=self.category,
        )


def normalised(text: str) -> str:
    """Text with compatibility forms, case and white space made equal (NFKC, casefold)."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def row_id(text: str) -> str:
    """First 16 hex digits of the sha256 of the normalised text."""
    return hashlib.sha256(normalised(text).encode()).hexdigest()[:16]


def parse_row(record: object, where: str) -> Row:
    """Read one record of any accepted shape.

    Raises:
        InputError: the shape is unknown, the text is empty, or the label is missing, unknown or
            contradicts itself.
    """
    if not isinstance(record, Mapping):
        raise InputError(
            f"A row must be an object with fields, not {type(record).__name__}.",
            where=where,
            remedy=f"write rows as {SCHEMAS}",
        )
    for schema, recognises, parse in _SHAPES:
        if recognises(record):
            text, label, thinking = parse(record, where)
            return _row(record, where, schema, text, label, thinking)
    raise InputError(
        f"The row has none of the known shapes; its fields are {', '.join(map(str, record)) or 'none'}.",
        where=where,
        remedy=f"write rows as {SCHEMAS}",
    )


def _row(record: Record, where: str, schema: str, text: str, label: str, thinking: dict[str, str]) -> Row:
    if not text.strip():
        raise InputError("The row has no text.", where=where, remedy="remove the row or fill in its text")
    return Row(
        text=text,
        label=label,
        where=where,
        schema=schema,
        thinking=thinking,
        language=_text(record, "language") or "unknown",
        category=_text(record, "category") or _text(record, "domain") or _text(record, "domain_label"),
        nsfw=_text(record, "nsfw_label").lower() not in _NOT_NSFW,
        group=_text(record, "group") or _text(record, "template_id") or None,
        split=_fixed_split(record, where),
    )


def _quadruple(record: Record, where: str) -> tuple[str, str, dict[str, str]]:
    parts = record["quadruple_classification"]
    if not isinstance(parts, Mapping):
        raise InputError("quadruple_classification must be an object.", where=where, remedy=f"write rows as {SCHEMAS}")
    candidates = [parts.get("four_class_label"), parts.get("four_class_label_id"), record.get("four_class_label")]
    thinking = {name: _text(parts, name) for name in _THINKING if _text(parts, name)}
    return _text(record, "text"), _label(candidates, where), thinking


def _text_label(record: Record, where: str) -> tuple[str, str, dict[str, str]]:
    return _text(record, "text"), _label([record.get("label")], where), {}


def _instruction(record: Record, where: str) -> tuple[str, str, dict[str, str]]:
    label = record.get("four_class_label")
    text = "\n".join(part for name in ("instruction", "input") if (part := _text(record, name)))
    return text, _label([record.get("safety_label") if label is None else label], where), _tags(_text(record, "output"))


def _messages(record: Record, where: str) -> tuple[str, str, dict[str, str]]:
    """The user's turns are the text; the label is a field, or stands in the assistant's last turn."""
    turns = record["messages"]
    if not isinstance(turns, list) or not all(isinstance(turn, Mapping) for turn in turns):
        raise InputError("messages must be a list of {role, content}.", where=where, remedy=f"write rows as {SCHEMAS}")
    said = [_text(turn, "content") for turn in turns if turn.get("role") == "assistant"]
    answer = said[-1] if said else ""
    fields = [record.get("four_class_label"), record.get("label")]
    final = parse_final(answer)[1] or None
    text = "\n".join(_text(turn, "content") for turn in turns if turn.get("role") == "user")
    return text, _label([*fields, final], where), _tags(answer)


_SHAPES: tuple[tuple[str, Callable[[Record], bool], Callable[[Record, str], tuple[str, str, dict[str, str]]]], ...] = (
    ("quadruple", lambda record: "text" in record and "quadruple_classification" in record, _quadruple),
    ("messages", lambda record: "messages" in record, _messages),
    ("instruction", lambda record: "instruction" in record, _instruction),
    ("text-label", lambda record: "text" in record and "label" in record, _text_label),
)


def _label(candidates: list[object], where: str) -> str:
    given = [value for value in candidates if value is not None and value != ""]
    if not given:
        raise InputError("The row has no label.", where=where, remedy=f"give each row one of {', '.join(LABELS)}")
    found = []
    for value in given:
        label = canonical_label(value)
        if label is None:
            raise InputError(
                f"Unknown label {str(value)[:40]!r}.", where=where, remedy=f"use one of {', '.join(LABELS)}"
            )
        found.append(label)
    if len(set(found)) > 1:
        raise InputError(
            f"The row contradicts itself: its label is both {' and '.join(dict.fromkeys(found))}.",
            where=where,
            remedy="correct the label or its id (ALLOW 0, ESCALATION 1, DENY 2, REFUSE 3)",
        )
    return found[0]


def _tags(answer: str) -> dict[str, str]:
    found = {name.lower(): text.strip() for name, text in _THINK_TAG.findall(answer)}
    return {name: found[name] for name in _THINKING if found.get(name)}


def _fixed_split(record: Record, where: str) -> str | None:
    value = _text(record, "split").lower()
    if value in {"", "train", "test"}:
        return value or None
    raise InputError(
        f"Unknown split {value[:40]!r}.", where=where, remedy="write train or test, or leave the field out"
    )


def _text(record: Record, name: str) -> str:
    value = record.get(name)
    return "" if value is None else str(value)
