"""A labeled row, read from a record of any accepted shape."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from so8t_shared.config.model import Dataset
from so8t_shared.errors import InputError
from so8t_shared.labels import LABELS
from so8t_shared.results.training import LabeledRow, RowTurn
from so8t_shared.splits import side_named
from so8t_trainer.data.answers import PROSE, Answer, read_answer, read_parts
from so8t_trainer.data.fields import Fields
from so8t_trainer.data.label_words import LabelWords, Meaning, folded
from so8t_trainer.data.nsfw import is_nsfw
from so8t_trainer.data.shapes import SCHEMAS, SHAPES, Shape
from so8t_trainer.data.turns import Reasoning, Turn, read_conversation, read_history


@dataclass(frozen=True)
class Row:
    """One labeled request, from any source."""

    text: str
    label: str
    where: str
    schema: str
    thinking: dict[str, str] = field(default_factory=dict)
    turns: tuple[Turn, ...] = ()
    """System prompt and earlier turns of the conversation that the request ends."""
    language: str = "unknown"
    category: str = ""
    nsfw: bool = False
    group: str | None = None
    """Rows of the same group (a template, a conversation) stay on one side of the split."""
    cluster: str = ""
    """Set by the split: the same for rows on one side that belong together, by `group` or as near duplicates."""
    split: str | None = None
    """`train`, `validation` or `test` if fixed by the data set's author."""
    unused: tuple[str, ...] = ()
    """Names of the record's fields that hold something and are not used."""
    label_word: str = ""
    """The word for the label, if that is neither a name nor an id."""
    reasoning: tuple[str, ...] = ()
    """Names of the fields beside the answer that were read as thinking."""

    @property
    def identity(self) -> str:
        """What makes two rows the same: the normalized text, with the turns before it."""
        if not self.turns:
            return normalized(self.text)
        return "\x1e".join([*(f"{role}\x1f{normalized(text)}" for role, text in self.turns), normalized(self.text)])

    @property
    def id(self) -> str:
        """First 16 hex digits of the SHA-256 of `identity`."""
        return _short_hash(self.identity)

    @property
    def said(self) -> str:
        """The text that near duplicates are found by: the conversation without the system prompt."""
        return "\n".join([*(text for role, text in self.turns if role != "system"), self.text])

    def exported(self) -> LabeledRow:
        """Return the row as written to splits/*.jsonl."""
        return LabeledRow(
            id=self.id,
            text=self.text,
            label=self.label,
            turns=[RowTurn(role=role, content=text) for role, text in self.turns],
            thinking=self.thinking,
            language=self.language,
            category=self.category,
            group=self.cluster,
        )


@dataclass(frozen=True)
class RowFormat:
    """How a data set writes its rows, as its configuration says."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Our name of a field to its name in the files."""
    words: LabelWords = field(default_factory=LabelWords)
    seen: set[str] = field(default_factory=set)
    """Names in `columns` that a record had."""

    @classmethod
    def of(cls, settings: Dataset) -> RowFormat:
        """Return the format that the configuration describes."""
        return cls(
            {str(ours): theirs for ours, theirs in settings.columns.items()},
            LabelWords({folded(word): c for word, c in settings.label_words.items()}),
        )

    def renamed(self, raw: Mapping[str, object]) -> Mapping[str, object]:
        """Return the record under our names."""
        theirs = {name for name in self.columns.values() if name in raw} if self.columns else None
        if not theirs:
            return raw
        self.seen.update(theirs)
        mapped = {ours: raw[name] for ours, name in self.columns.items() if name in raw}
        rest = {f"{name} (see dataset.columns)" if name in mapped else name: raw[name] for name in raw.keys() - theirs}
        return mapped | rest


_PLAIN = RowFormat()


@dataclass(frozen=True)
class _Said:
    """The parts in which the shapes differ."""

    text: str
    meaning: Meaning
    thinking: dict[str, str]
    turns: tuple[Turn, ...]
    unused: tuple[str, ...]
    reasoning: tuple[str, ...]


def normalized(text: str) -> str:
    """Return the text with compatibility forms, case and whitespace normalized (NFKC, casefold)."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def row_id(text: str) -> str:
    """Return the first 16 hex digits of the SHA-256 of the normalized text: the id of a row without earlier turns."""
    return _short_hash(normalized(text))


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def parse_row(raw: object, where: str, form: RowFormat = _PLAIN) -> Row:
    """Read one row of any accepted shape.

    Raises:
        InputError: the record could not be read, its shape is unknown, the text is empty or not text, or the label is
            missing, unknown or contradictory.
    """
    if isinstance(raw, InputError):
        raise raw
    if not isinstance(raw, Mapping):
        raise InputError(
            f"A row must be an object with fields, not {type(raw).__name__}.",
            where=where,
            remedy=f"write rows as {SCHEMAS}",
        )
    fields = Fields(form.renamed(raw), where)
    for shape in SHAPES:
        if all(name in fields for name in shape.needs):
            return _row(fields, shape, _said(fields, shape, form.words))
    raise fields.error(
        f"The row matches no known shape; its fields are {', '.join(map(str, raw)) or 'none'}.",
        remedy=f"write rows as {SCHEMAS}, or give the names of the fields in dataset.columns",
    )


def _row(fields: Fields, shape: Shape, said: _Said) -> Row:
    if not said.text.strip():
        raise fields.error("The row has no text.", remedy="remove the row or fill in its text")
    return Row(
        text=said.text,
        label=said.meaning.label,
        where=fields.where,
        schema=shape.name,
        thinking=said.thinking,
        turns=said.turns,
        language=fields.key("language") or "unknown",
        category=fields.key("category") or fields.key("domain") or fields.key("domain_label"),
        nsfw=is_nsfw(fields),
        group=fields.key("group") or fields.key("template_id") or None,
        split=_fixed_split(fields),
        unused=(*fields.unused(), *said.unused),
        label_word=said.meaning.word,
        reasoning=said.reasoning,
    )


def _said(fields: Fields, shape: Shape, words: LabelWords) -> _Said:
    turns, unused, reasoning = read_history(fields), tuple[str, ...](), Reasoning()
    if shape.turns:
        chat = read_conversation(fields, shape.turns, remedy=f"write rows as {SCHEMAS}")
        turns, text, answered, unused = (*turns, *chat.turns), chat.request, chat.answer, chat.unused
        reasoning = chat.reasoning
    else:
        text = "\n".join(part for name in shape.request if (part := fields.text(name)))
        answered = next((found for name in shape.answer if (found := fields.text(name))), "")
    parts, answer = fields, read_answer(answered, words, fields, reasoning.text)
    if shape.parts:
        parts = _object(fields, shape.parts)
        answer = read_parts(parts, words, f"{shape.parts}.")
    given = [parts.get(name) for name in shape.labels]
    if parts is not fields:
        given += [fields.get(name) for name in shape.labels]
    meaning = _label(given, answer, fields, shape, words)
    if answer.meaning and answer.meaning.label != meaning.label:  # a number that answers something else
        unused = (*unused, PROSE)
    unused = (*unused, *answer.unused, *_left(parts, fields, shape))
    return _Said(text, meaning, answer.thinking, turns, unused, reasoning.names)


def _object(fields: Fields, name: str) -> Fields:
    value = fields.get(name)
    if not isinstance(value, Mapping):
        raise fields.error(f"{name} must be an object.", remedy=f"write rows as {SCHEMAS}")
    return Fields(value, fields.where)


def _left(parts: Fields, fields: Fields, shape: Shape) -> list[str]:
    return [] if parts is fields else parts.unused(f"{shape.parts}.")


def _label(given: list[object], answer: Answer, fields: Fields, shape: Shape, words: LabelWords) -> Meaning:
    """Return the row's class: its fields and its answer must agree.

    A number in an answer may answer something else: beside a field it only counts in a conversation.
    """
    found = [_known(value, fields, words) for value in given if value is not None and value != ""]
    for name in shape.otherwise:
        if not found and fields.peek(name) not in (None, "") and (meaning := words.meaning(fields.peek(name))):
            fields.used.add(name)
            found.append(meaning)
    answered = answer.meaning
    if answered and (shape.turns or not answered.number or not found):
        found.append(answered)
    if not found:
        raise _no_label(fields, shape, answer)
    if len({meaning.label for meaning in found}) > 1:
        labels = dict.fromkeys(meaning.label for meaning in found)
        raise fields.error(
            f"The row contradicts itself: its label is both {' and '.join(labels)}.",
            remedy="correct the label or its id (ALLOW 0, ESCALATION 1, DENY 2, REFUSE 3)",
        )
    return next((meaning for meaning in found if meaning.word), found[0])


def _known(value: object, fields: Fields, words: LabelWords) -> Meaning:
    if meaning := words.meaning(value):
        return meaning
    raise _unknown_label(fields, value)


def _unknown_label(fields: Fields, value: object) -> InputError:
    remedy = f"use one of {', '.join(LABELS)}, or say in dataset.label_words what it means"
    return fields.error(f"Unknown label {str(value)[:40]!r}.", remedy=remedy)


def _no_label(fields: Fields, shape: Shape, answer: Answer) -> InputError:
    for name in shape.otherwise:
        if (value := fields.peek(name)) not in (None, ""):
            return _unknown_label(fields, value)
    if answer.unused:
        remedy = "let <final> hold one and nothing else, add a field label, or say in dataset.label_words what it means"
        return fields.error(f"The answer is none of {', '.join(LABELS)}.", remedy=remedy)
    return fields.error("The row has no label.", remedy=f"give each row one of {', '.join(LABELS)}")


def _fixed_split(fields: Fields) -> str | None:
    value = fields.key("split").lower()
    if not value or (side := side_named(value)):
        return side if value else None
    raise fields.error(f"Unknown split {value[:40]!r}.", remedy="write train, validation or test, or remove the field")
