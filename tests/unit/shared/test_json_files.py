"""JSON that is written whole, and lines of it in files, logs and pipes."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from tests.messages import Said

from so8t_shared.documents import Part
from so8t_shared.errors import IntegrityError
from so8t_shared.json_files import (
    Channel,
    numbered_lines,
    whole_objects,
    write_json,
    write_lines,
)

ODD = 'one\u2028two\u2029three\x85four\x0bfive\x0csix\r\nseven\n"eight" 日本'


class Note(Part):
    """A small result."""

    text: str
    count: int = 0


def test_lines_come_back(tmp_path: Path) -> None:
    """With every kind of line break inside their texts, and nothing but \\n between them."""
    notes = [Note(text=ODD, count=n) for n in range(3)]
    write_lines(tmp_path / "new" / "notes.jsonl", notes)
    data = (tmp_path / "new" / "notes.jsonl").read_bytes()
    assert data.count(b"\n") == 3
    assert data.endswith(b"}\n")
    assert Note.read_lines(tmp_path / "new" / "notes.jsonl") == notes
    write_lines(tmp_path / "none.jsonl", [])
    assert Note.read_lines(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize(
    ("data", "where"),
    [(b'{"text": "a"}\n{"te', ", line 2"), (b"null\n", ", line 1"), (b'{"text": "\xff"}\n', "")],
    ids=["cut", "null", "no UTF-8"],
)
def test_lines_that_are_none(tmp_path: Path, data: bytes, where: str, said: Said) -> None:
    """A line that was cut, is something else or no UTF-8 is an IntegrityError with its place."""
    (tmp_path / "notes.jsonl").write_bytes(data)
    with said.raised(IntegrityError, where=f"{tmp_path / 'notes.jsonl'}{where}"):
        Note.read_lines(tmp_path / "notes.jsonl")


def test_one_object(tmp_path: Path) -> None:
    """Indented, with a line break at the end; an older file is replaced in one step, and nothing else is left."""
    for count in (1, 2):
        write_json(tmp_path / "note.json", Note(text="x", count=count))
    assert (tmp_path / "note.json").read_text() == '{\n  "text": "x",\n  "count": 2\n}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["note.json"]


def test_numbered_lines() -> None:
    """Numbers count blank lines, which are left out."""
    assert list(numbered_lines("a\n\n \r\nb\u2028c\n")) == [(1, "a"), (4, "b\u2028c")]


def test_whole_objects() -> None:
    """What was cut, is no object or no JSON is left out; what is not UTF-8 is shown as well as it can be."""
    data = b'{"a": "x\xe2\x80\xa8y"}\n[1]\n\nno\n{"b": "\xff"}\n{"c": 1'
    assert list(whole_objects(io.BytesIO(data))) == [{"a": "x\u2028y"}, {"b": "\ufffd"}]


def _pair() -> tuple[Channel, Channel]:
    one, other = os.pipe(), os.pipe()
    return Channel.on(one[0], other[1]), Channel.on(other[0], one[1])


def test_any_text_survives() -> None:
    """Line breaks, quotes, half surrogates and null characters arrive as they were sent."""
    ours, theirs = _pair()
    message = {"text": 'a\nb\r\n\u2028 "q" \x00 日本 \ud800'}
    ours.send(message)
    assert theirs.receive() == message
    ours.close()
    theirs.close()


def test_other_side_gone() -> None:
    """The end of the other side is None for a reader and BrokenPipeError for a writer."""
    ours, theirs = _pair()
    theirs.close()
    assert ours.receive() is None
    with pytest.raises(BrokenPipeError):
        ours.send({})
    ours.close()


def test_half_a_message_is_the_end() -> None:
    """A message that was cut off by the sender's death is not read as one."""
    reading, writing = os.pipe()
    other = os.pipe()
    channel = Channel.on(reading, other[1])
    os.write(writing, b'{"ok": 1')
    os.close(writing)
    assert channel.receive() is None
    channel.close()
    os.close(other[0])
