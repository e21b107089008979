"""What an answer in the data says: thinking roles, a class, and text that is neither."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from so8t_shared.models.reading import deciding_final, final_texts, read_thinking
from so8t_shared.models.thinking import role_of, tag_of
from so8t_trainer.data.fields import Fields
from so8t_trainer.data.label_words import LabelWords, Meaning

PROSE = "text of the answer beside thinking and label"
"""Name, among the unused fields, of what an answer says besides."""

_PLAIN = role_of("think")


@dataclass(frozen=True)
class Answer:
    """What an answer in the data says."""

    thinking: dict[str, str]
    meaning: Meaning | None = None
    unused: tuple[str, ...] = ()


def read_answer(answer: str, words: LabelWords, fields: Fields, reasoning: str = "") -> Answer:
    """Read the assistant's answer: thinking, and a `<final>` with or without prose around it, or a bare label.

    `reasoning` is thinking that the row keeps in a field of its own; it comes first.

    Raises:
        InputError: its thinking is never closed, or it names several classes.
    """
    before = _thinking_in(reasoning)
    if not answer:
        return Answer(before)
    found = read_thinking(answer)
    if found.unclosed:
        raise fields.error(
            f"The thinking <{tag_of(found.unclosed)}> is never closed.",
            remedy=f"write </{tag_of(found.unclosed)}> where it ends",
        )
    finals, prose = final_texts(found.outside)
    said = deciding_final(finals) if finals else prose
    meaning = words.answer(said)
    _check_one(finals, words, fields)
    unread = bool(prose) if finals and meaning else bool(said) and not meaning
    return Answer(_joined(before, found.roles), meaning, (PROSE,) if unread else ())


def _check_one(finals: Sequence[str], words: LabelWords, fields: Fields) -> None:
    """Refuse what a model's answer may do but data may not: to name one class and then another."""
    labels = dict.fromkeys(meaning.label for final in finals if (meaning := words.answer(final)))
    if len(labels) > 1:
        raise fields.error(
            f"The answer names several classes: {' and '.join(labels)}.", remedy="keep only the <final> that is right"
        )


def _thinking_in(reasoning: str) -> dict[str, str]:
    """The roles of a text that is all thinking, from its tags; text without a tag is plain `<think>`."""
    found = read_thinking(reasoning)
    rest = found.outside.strip()
    return _joined(found.roles, {_PLAIN: rest} if rest else {})


def _joined(first: dict[str, str], second: dict[str, str]) -> dict[str, str]:
    """All roles in their order; one that is in both has both texts, on lines of their own, unless they are the same."""
    joined = dict(first)
    for role, text in second.items():
        joined[role] = text if joined.get(role, text) == text else f"{joined[role]}\n{text}"
    return joined


def read_parts(parts: Fields, words: LabelWords, prefix: str) -> Answer:
    """Read an object whose texts are the thinking roles, in its order, besides `final` and the label."""
    final = parts.text("final")
    meaning = words.answer(final)
    thinking = {}
    for name, value in parts.values.items():
        if name in {"final", "four_class_label", "four_class_label_id"} or isinstance(value, bool | int | float | None):
            continue
        if text := parts.text(name):
            thinking[_role_named(name, parts)] = text
    return Answer(thinking, meaning, (f"{prefix}final",) if final and (meaning is None or meaning.number) else ())


def _role_named(name: str, parts: Fields) -> str:
    tag = "-".join(name.lower().split()).replace("think_", "think-", 1)
    if not tag or set(tag) & set("<>/|"):
        raise parts.error(f"A thinking role cannot be named {name[:40]!r}.", remedy="rename it, for example to task")
    return role_of(tag if tag.startswith("think") else f"think-{tag}")
