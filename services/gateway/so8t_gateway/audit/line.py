"""A line of the audit log.

    {"facts": {...}, "hash": H, "kind": "request", "n": 7, "person": {...}, "prev": hash of line 6, "salt": S}

`facts` stay for good: what was decided, by what. `person` is what leads to somebody, and can be erased:

    {"facts": {...}, "hash": H, "kind": "request", "n": 7, "person_sha256": P, "prev": hash of line 6}

with P the SHA-256 of [S, person]. H is the SHA-256 of the second form without H, for both: erasing changes no hash.
Without the salt, 128 random bits, P tells nothing about the person, even to somebody who has the key and guesses who.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from so8t_shared.canonical import canonical_json, digest

FIRST_PREV = "0" * 64
"""What line 1 names as the hash of the line before it."""

FORMAT = 1

Kind = Literal["open", "request", "close", "torn", "erased", "retired"]
"""open, close: first and last line of a segment. torn: the rest of a line that a crash cut was replaced by this one.
erased: the persons of these lines were erased. retired: a segment was deleted because of its age."""

_KINDS = {"open", "request", "close", "torn", "erased", "retired"}
_COMMON = {"facts", "hash", "kind", "n", "prev"}
_FORMS = (_COMMON, _COMMON | {"person", "salt"}, _COMMON | {"person_sha256"})
_SALT_BYTES = 16


class BadLine(ValueError):
    """The bytes are not a line as this program writes it, or its hash is not that of its content."""


@dataclass(frozen=True)
class Entry:
    """What a line says, before it has a place in the chain."""

    kind: Kind
    facts: Mapping[str, Any]
    person: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Line:
    """A line in its place in the chain."""

    n: int
    """Its number in the whole log, from 1."""
    kind: str
    prev: str
    facts: Mapping[str, Any]
    hash: str
    person: Mapping[str, Any] | None = None
    salt: str = ""
    person_sha256: str = ""
    """Empty if no person belongs to the line."""

    @classmethod
    def after(cls, n: int, prev: str, entry: Entry) -> Self:
        """The line that follows line `n`, whose hash is `prev`."""
        salt = secrets.token_hex(_SALT_BYTES) if entry.person is not None else ""
        sealed = _sealed(salt, entry.person) if entry.person is not None else ""
        own = digest(_public(n + 1, entry.kind, prev, entry.facts, sealed))
        return cls(n + 1, entry.kind, prev, entry.facts, own, entry.person, salt, sealed)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a line, without its line feed.

        Raises:
            BadLine: it has other bytes than this program would write for its content, or another hash.
        """
        try:
            raw = json.loads(data)
            line = cls._of(raw) if isinstance(raw, dict) and set(raw) in _FORMS and raw["kind"] in _KINDS else None
            same = line is not None and line.to_bytes() == data + b"\n"
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            raise BadLine("it is not a line of an audit log") from error
        if line is None or not same:
            raise BadLine("it is not a line of an audit log")
        if line.hash != line._computed():
            raise BadLine("its content does not match its hash")
        return line

    @classmethod
    def _of(cls, raw: Mapping[str, Any]) -> Self:
        sealed = _sealed(raw["salt"], raw["person"]) if "person" in raw else raw.get("person_sha256", "")
        if (
            type(raw["n"]) is not int
            or not isinstance(raw["facts"], dict)
            or not _says_enough(raw["kind"], raw["facts"])
        ):
            raise BadLine("it is not a line of an audit log")
        person, salt = raw.get("person"), raw.get("salt", "")
        return cls(raw["n"], raw["kind"], raw["prev"], raw["facts"], raw["hash"], person, salt, sealed)

    @property
    def erased(self) -> bool:
        """Whether it had a person."""
        return bool(self.person_sha256) and self.person is None

    def without_person(self) -> Self:
        """The same line, erased."""
        return replace(self, person=None, salt="")

    def to_bytes(self) -> bytes:
        """Canonical JSON and a line feed."""
        form = {**self._public(), "hash": self.hash}
        if self.person is not None:
            del form["person_sha256"]
            form.update(person=self.person, salt=self.salt)
        return canonical_json(form) + b"\n"

    def _public(self) -> dict[str, Any]:
        return _public(self.n, self.kind, self.prev, self.facts, self.person_sha256)

    def _computed(self) -> str:
        return digest(self._public())


def _public(n: int, kind: str, prev: str, facts: Mapping[str, Any], person_sha256: str) -> dict[str, Any]:
    """What a line's hash is that of."""
    form: dict[str, Any] = {"facts": facts, "kind": kind, "n": n, "prev": prev}
    if person_sha256:
        form["person_sha256"] = person_sha256
    return form


def _says_enough(kind: str, facts: Mapping[str, Any]) -> bool:
    """Whether a line has the facts on which the proof rests."""
    if kind == "open":
        return isinstance(facts.get("log"), str) and type(facts.get("segment")) is int
    if kind == "retired":
        return (
            type(facts.get("segment")) is int and type(facts.get("last")) is int and isinstance(facts.get("hash"), str)
        )
    if kind == "erased":
        return all(len(span) == 2 and [type(n) for n in span] == [int, int] for span in facts["lines"])
    return True


def _sealed(salt: str, person: Mapping[str, Any]) -> str:
    return digest([salt, person])
