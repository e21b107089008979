"""Composes rows of the demo's data set: a request, and a reason that decides its class."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from so8t_shared.labels import LABELS


@dataclass(frozen=True)
class Person:
    """An owner of things; `subject` and `object` are pronouns, empty if unused."""

    name: str
    subject: str = ""
    object: str = ""


@dataclass(frozen=True)
class Sentences:
    """The words of one side of the split; none of them occur on the other side."""

    people: tuple[Person, ...]
    things: tuple[str, ...]
    actions: tuple[str, ...]
    frames: tuple[str, ...]
    """Templates with {action}, {owner}, {thing} and {reason}."""
    reasons: dict[str, tuple[str, ...]]
    """Templates with {subject} and {object}, by class."""


@dataclass(frozen=True)
class Language:
    """Both sides of the split in one language."""

    code: str
    train: Sentences
    test: Sentences


@dataclass(frozen=True)
class Sentence:
    """One row's text and its parts."""

    text: str
    label: str
    frame: int
    reason: int


def sentences(source: Sentences, per_class: int, choose: random.Random) -> Iterator[Sentence]:
    """Yield `per_class` distinct texts per class; reasons and templates take turns, other words are drawn at random."""
    for label in LABELS:
        seen: set[str] = set()
        while len(seen) < per_class:
            turn, reason = divmod(len(seen), len(source.reasons[label]))
            frame = turn % len(source.frames)
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
