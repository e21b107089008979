"""How a row of the demo's data set is put together: a request, and a sentence that decides its class."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from so8t_shared.labels import LABELS


@dataclass(frozen=True)
class Person:
    """Somebody whose thing it is; `subject` and `object` are pronouns, empty where none is used."""

    name: str
    subject: str = ""
    object: str = ""


@dataclass(frozen=True)
class Sentences:
    """Words of one side of the split; nothing of it occurs on the other side."""

    people: tuple[Person, ...]
    things: tuple[str, ...]
    actions: tuple[str, ...]
    frames: tuple[str, ...]
    """Templates with {action}, {owner}, {thing} and {reason}."""
    reasons: dict[str, tuple[str, ...]]
    """By class; templates with {subject} and {object}."""


@dataclass(frozen=True)
class Language:
    """Both sides of the split in one language."""

    code: str
    train: Sentences
    test: Sentences


@dataclass(frozen=True)
class Sentence:
    """One row's text, and what it was made of."""

    text: str
    label: str
    frame: int
    reason: int


def sentences(source: Sentences, per_class: int, choose: random.Random) -> Iterator[Sentence]:
    """`per_class` different texts of every class; reasons take turns, the other words are drawn."""
    for label in LABELS:
        seen: set[str] = set()
        while len(seen) < per_class:
            reason = len(seen) % len(source.reasons[label])
            frame = choose.randrange(len(source.frames))
            text = _fill(source, label, reason, frame, choose)
            if text not in seen:
                seen.add(text)
                yield Sentence(text, label, frame, reason)


def _fill(source: Sentences, label: str, reason: int, frame: int, choose: random.Random) -> str:
    person = choose.choice(source.people)
    words = {"subject": person.subject, "object": person.object}
    text = source.frames[frame].format(
        action=choose.choice(source.actions),
        owner=person.name,
        thing=choose.choice(source.things),
        reason=source.reasons[label][reason].format(**words),
    )
    return text[0].upper() + text[1:]
