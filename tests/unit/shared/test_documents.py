"""Documents of the contract: versioned, strict, the same bytes for the same content."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Literal

import pytest
from pydantic import BaseModel, ValidationError
from tests.messages import Said

import so8t_shared
from so8t_shared.canonical import canonical_json
from so8t_shared.config.section import Section
from so8t_shared.documents import Document, Part
from so8t_shared.errors import IntegrityError, NewerFormat
from so8t_shared.models.folder_shapes import ForeignShape


class Note(Document):
    """A document of the tests."""

    schema_version: Literal[1, 2] = 2
    text: str
    count: int = 0


def test_round_trip() -> None:
    """A document is read back as it was, from canonical JSON with its version."""
    note = Note(text="ü", count=3)
    assert note.to_bytes() == canonical_json({"schema_version": 2, "text": "ü", "count": 3})
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
        b'{"schema_version": 0, "text": "x"}',
        b'{"schema_version": null, "text": "x"}',
        b'{"text": "x"}',
        b"[" * 100_000,
    ],
)
def test_damage_is_an_integrity_error(data: bytes, said: Said) -> None:
    """Anything but the document is damaged, said with its key; exit code 5; not taken for a newer format."""
    with said.raised(IntegrityError, where="sessions/x/note.json") as caught:
        Note.from_bytes(data, "sessions/x/note.json")
    assert not isinstance(caught.value, NewerFormat)


def test_every_cut_is_damage() -> None:
    """A document cut at any byte is never read as a whole one."""
    data = Note(text="some text", count=12).to_bytes()
    for end in range(len(data)):
        with pytest.raises(IntegrityError):
            Note.from_bytes(data[:end], "x")


def test_a_newer_format_is_said_to_be_newer(said: Said) -> None:
    """A document of a later version is not damage: the remedy is to update, whatever else is in it."""
    data = json.dumps({"schema_version": 3, "text": "x", "unheard_of": []}).encode()
    with said.raised(NewerFormat):
        Note.from_bytes(data, "x")


def test_an_older_format_that_is_still_understood() -> None:
    """The versions that can be read are those that the field lists."""
    assert Note.from_bytes(b'{"schema_version": 1, "text": "x"}', "x").schema_version == 1


# Every document and line of the program


def _below(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


for _found in walk_packages(so8t_shared.__path__, "so8t_shared."):
    if not _found.name.endswith("__main__"):
        import_module(_found.name)
OURS = [kind for kind in _below(BaseModel) if kind.__module__.startswith("so8t_shared.")]
PARTS = [kind for kind in OURS if issubclass(kind, Part) and kind is not Document and kind is not Part]
DOCUMENTS = [kind for kind in PARTS if issubclass(kind, Document)]


def test_there_is_one_base() -> None:
    """What pydantic reads is configuration, a part of a document, or a model's foreign file; the files are all here."""
    assert [kind for kind in OURS if not issubclass(kind, Section | Part | ForeignShape)] == []
    assert len(DOCUMENTS) >= 16


@pytest.mark.parametrize("kind", DOCUMENTS, ids=lambda kind: kind.__name__)
def test_a_newer_document_is_left_alone(kind: type[Document]) -> None:
    """One version more is NewerFormat, whatever else it holds; version 0 and no version at all are damage."""
    field = kind.model_fields["schema_version"]
    key = field.alias or "schema_version"
    with pytest.raises(NewerFormat) as caught:
        kind.from_bytes(json.dumps({key: field.default + 1, "unheard_of": 1}).encode(), "here")
    assert (caught.value.where, caught.value.exit_code) == ("here", 5)
    for older, place in (({key: 0}, (key,)), ({}, ())):
        with pytest.raises(IntegrityError) as damaged:
            kind.from_bytes(json.dumps(older).encode(), "here")
        assert damaged.value.where == "here"
        assert isinstance(damaged.value.__cause__, ValidationError)
        assert damaged.value.__cause__.errors()[0]["loc"] == place


@pytest.mark.parametrize("data", [b"{", b"null", b"[1]", b"\xff\xfe", b'{"unheard_of": 1}'])
@pytest.mark.parametrize("kind", PARTS, ids=lambda kind: kind.__name__)
def test_garbage_and_unknown_keys_are_damage(kind: type[Part], data: bytes, tmp_path: Path) -> None:
    """From the store, from a file and from a line of one: an IntegrityError with its place."""
    assert kind.model_config.get("extra") == "forbid"
    assert kind.__doc__
    path = tmp_path / "file"
    path.write_bytes(data)
    line = str(path) if data == b"\xff\xfe" else f"{path}, line 1"
    reads = {"file": lambda: kind.from_bytes(data, "file"), str(path): lambda: kind.read(path)}
    for where, read in {**reads, line: lambda: kind.read_lines(path)}.items():
        with pytest.raises(IntegrityError) as caught:
            read()
        assert caught.value.where == where
        assert caught.value.__cause__ is not None


def test_a_file_that_is_missing(tmp_path: Path, said: Said) -> None:
    """It is said to be missing, with its path."""
    for read in (Note.read, Note.read_lines):
        with said.raised(IntegrityError, where=str(tmp_path / "nowhere")):
            read(tmp_path / "nowhere")


def test_a_newer_document_inside_another(tmp_path: Path) -> None:
    """A part that is a document of its own is checked as one."""

    class Folder(Part):
        notes: tuple[Note, ...]

    (tmp_path / "lines").write_text('{"notes": []}\n{"notes": [{"schema_version": 3}]}\n')
    with pytest.raises(NewerFormat) as caught:
        Folder.read_lines(tmp_path / "lines")
    assert caught.value.where.endswith("lines, line 2")
