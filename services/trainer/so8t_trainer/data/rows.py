"""A labeled row, and the four shapes that a data set may use for it."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from so8t_shared.errors import InputError
from so8t_shared.labels import LABELS, canonical_label
from so8t_shared.models.reading import parse_final
from so8t_shared.results.training import LabeledRow
from so8t_trainer.data.fields import Fields
from so8t_trainer.data.nsfw import is_nsfw

SCHEMAS = (
    "{text, quadruple_classification}, {text, label}, {instruction, input, output, four_class_label} or {messages}"
)
_THINKING = ("task", "safety", "policy")
_THINK_TAG = re.compile(r"<think-(task|safety|policy)>(.*?)</think-\1>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Row:
    """One labeled request, from any source."""

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
    cluster: str = ""
    """Set by the split: the same for rows on one side that belong together, by `group` or as near duplicates."""
    split: str | None = None
    """`train` or `test` if fixed by the data set's author."""

    def exported(self) -> LabeledRow:
        """Return the row as written to splits/*.jsonl."""
        return LabeledRow(
            id=row_id(self.text),
            text=self.text,
            label=self.label,
            thinking=self.thinking,
            language=self.language,
            category=self.category,
            group=self.cluster,
        )


@dataclass(frozen=True)
class _Said:
    """The parts in which the shapes differ."""

    text: str
    label: str
    thinking: dict[str, str]


def normalized(text: str) -> str:
    """Return the text with compatibility forms, case and whitespace normalized (NFKC, casefold)."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def row_id(text: str) -> str:
    """Return the first 16 hex digits of the SHA-256 of the normalized text."""
    return hashlib.sha256(normalized(text).encode()).hexdigest()[:16]


def parse_row(raw: object, where: str) -> Row:
    """Read one row of any accepted shape.

    Raises:
        InputError: the shape is unknown, the text is empty or not text, or the label is missing, unknown
            or contradictory.
    """
    if not isinstance(raw, Mapping):
        raise InputError(
            f"A row must be an object with fields, not {type(raw).__name__}.",
            where=where,
            remedy=f"write rows as {SCHEMAS}",
        )
    fields = Fields(raw, where)
    for schema, names, parse in _SHAPES:
        if all(name in fields for name in names):
            return _row(fields, schema, parse(fields))
    raise fields.error(
        f"The row matches no known shape; its fields are {', '.join(map(str, raw)) or 'none'}.",
        remedy=f"write rows as {SCHEMAS}",
    )


def _row(fields: Fields, schema: str, said: _Said) -> Row:
    if not said.text.strip():
        raise fields.error("The row has no text.", remedy="remove the row or fill in its text")
    return Row(
        text=said.text,
        label=said.label,
        where=fields.where,
        schema=schema,
        thinking=said.thinking,
        language=fields.key("language") or "unknown",
        category=fields.key("category") or fields.key("domain") or fields.key("domain_label"),
        nsfw=is_nsfw(fields),
        group=fields.key("group") or fields.key("template_id") or None,
        split=_fixed_split(fields),
    )


def _quadruple(fields: Fields) -> _Said:
    value = fields.get("quadruple_classification")
    if not isinstance(value, Mapping):
        raise fields.error("quadruple_classification must be an object.", remedy=f"write rows as {SCHEMAS}")
    parts = Fields(value, fields.where)
    labels = [parts.get("four_class_label"), parts.get("four_class_label_id"), fields.get("four_class_label")]
    candidates = [*labels, _class_in(parts.text("final"))]
    thinking = {name: text for name in _THINKING if (text := parts.text(name))}
    return _Said(fields.text("text"), _label(candidates, fields), thinking)


def _text_label(fields: Fields) -> _Said:
    return _Said(fields.text("text"), _label([fields.get("label")], fields), {})


def _instruction(fields: Fields) -> _Said:
    label = fields.get("four_class_label")
    text = "\n".join(part for name in ("instruction", "input") if (part := fields.text(name)))
    output = fields.text("output")
    candidates = [fields.get("safety_label") if label is None else label, _class_in(parse_final(output)[1])]
    return _Said(text, _label(candidates, fields), _tags(output))


def _messages(fields: Fields) -> _Said:
    """The user's turns are the text; the label is a field or in the assistant's last turn."""
    value = fields.get("messages")
    if not isinstance(value, list) or not all(isinstance(turn, Mapping) for turn in value):
        raise fields.error("messages must be a list of {role, content}.", remedy=f"write rows as {SCHEMAS}")
    turns = [Fields(turn, fields.where) for turn in value]
    said = [turn.content() for turn in turns if turn.get("role") == "assistant"]
    answer = said[-1] if said else ""
    candidates = [fields.get("four_class_label"), fields.get("label"), parse_final(answer)[1] or None]
    text = "\n".join(turn.content() for turn in turns if turn.get("role") == "user")
    return _Said(text, _label(candidates, fields), _tags(answer))


_SHAPES: tuple[tuple[str, tuple[str, ...], Callable[[Fields], _Said]], ...] = (
    ("quadruple", ("text", "quadruple_classification"), _quadruple),
    ("messages", ("messages",), _messages),
    ("instruction", ("instruction",), _instruction),
    ("text-label", ("text", "label"), _text_label),
)
"""Name, identifying fields and parser of each shape; the first match counts."""


def _label(candidates: list[object], fields: Fields) -> str:
    given = [value for value in candidates if value is not None and value != ""]
    if not given:
        raise fields.error("The row has no label.", remedy=f"give each row one of {', '.join(LABELS)}")
    found = []
    for value in given:
        label = canonical_label(value)
        if label is None:
            raise fields.error(f"Unknown label {str(value)[:40]!r}.", remedy=f"use one of {', '.join(LABELS)}")
        found.append(label)
    if len(set(found)) > 1:
        raise fields.error(
            f"The row contradicts itself: its label is both {' and '.join(dict.fromkeys(found))}.",
            remedy="correct the label or its id (ALLOW 0, ESCALATION 1, DENY 2, REFUSE 3)",
        )
    return found[0]


def _class_in(final: str) -> str | None:
    """Return the class named by a final answer; None for prose, or for a number, which may answer something else."""
    return None if final.strip().isdigit() else canonical_label(final)


def _tags(answer: str) -> dict[str, str]:
    found = {name.lower(): text.strip() for name, text in _THINK_TAG.findall(answer)}
    return {name: found[name] for name in _THINKING if found.get(name)}


def _fixed_split(fields: Fields) -> str | None:
    value = fields.key("split").lower()
    if value in {"", "train", "test"}:
        return value or None
    raise fields.error(f"Unknown split {value[:40]!r}.", remedy="write train or test, or remove the field")
