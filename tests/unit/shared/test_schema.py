"""Documents of the contract: versioned, strict, the same bytes for the same content."""

from __future__ import annotations

import json

import pytest

from so8t_shared.canonical import canonical_json
from so8t_shared.errors import IntegrityError, NewerFormat
from so8t_shared.schema import Document


class Note(Document):
    """A document of the tests."""

    text: str
    count: int = 0


def test_round_trip() -> None:
    """A document is read back as it was, from canonical JSON with its version."""
    note = Note(text="ü", count=3)
    assert note.to_bytes() == canonical_json({"schema_version": 1, "text": "ü", "count": 3})
    assert Note.from_bytes(note.to_bytes(), "x") == note


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\xff\xfe",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"schema_version": 1}',
        b'{"schema_version": 1, "text": 5}',
        b'{"schema_version": 1, "text": "x", "more": 1}',
        b'{"schema_version": "one", "text": "x"}',
        b'{"schema_version": 1, "text": "x"',
        b'{"text": "x"}',
    ],
)
def test_damage_is_an_integrity_error(data: bytes) -> None:
    """Anything but the document is damaged, said with its key; exit code 5; not taken for a newer format."""
    with pytest.raises(IntegrityError) as caught:
        Note.from_bytes(data, "sessions/x/note.json")
    assert caught.value.where == "sessions/x/note.json"
    assert "damaged" in caught.value.what
    assert not isinstance(caught.value, NewerFormat)


def test_every_cut_is_damage() -> None:
    """A document cut at any byte is never read as a whole one."""
    data = Note(text="some text", count=12).to_bytes()
    for end in range(len(data)):
        with pytest.raises(IntegrityError):
            Note.from_bytes(data[:end], "x")


def test_a_newer_format_is_said_to_be_newer() -> None:
    """A document of a later version is not damage: the remedy is to update, whatever else is in it."""
    data = json.dumps({"schema_version": 2, "text": "x", "unheard_of": []}).encode()
    with pytest.raises(NewerFormat) as caught:
        Note.from_bytes(data, "x")
    assert "newer" in caught.value.what
    assert "update" in caught.value.remedy
