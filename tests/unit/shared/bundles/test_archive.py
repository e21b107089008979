"""Archives: what the writer makes, Python's zipfile reads; what zipfile makes otherwise, the reader refuses."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from so8t_shared.bundles.archive import MOST_BYTES, Archive, pack
from so8t_shared.errors import IntegrityError

_NAMES = st.from_regex(r"[a-z0-9]{1,8}(/[A-Za-z0-9._-]{1,8}){0,3}", fullmatch=True).filter(
    lambda name: all(part[0] not in "._-" for part in name.split("/"))
)


def opened(data: bytes) -> Archive:
    return Archive(io.BytesIO(data), Path("x.zip"))


def zipped(*members: tuple[zipfile.ZipInfo | str, bytes], comment: bytes = b"") -> bytes:
    """What Python's zipfile makes of them."""
    target = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(target, "w") as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for member, data in members:
            archive.writestr(member, data)
        archive.comment = comment
    return target.getvalue()


def plain(name: str, **fields: int) -> zipfile.ZipInfo:
    """As the writer makes them, but for `fields`."""
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o100644 << 16
    info.create_system = 3
    for key, value in fields.items():
        setattr(info, key, value)
    return info


@given(st.dictionaries(_NAMES, st.binary(max_size=50), max_size=6))
def test_every_reader_finds_the_same(files: dict[str, bytes]) -> None:
    """Ours and Python's zipfile, whatever the files; zipfile itself writes the same bytes."""
    data = b"".join(pack(files))
    archive = opened(data)
    assert {name: archive.read(name) for name in archive.members} == files
    with zipfile.ZipFile(io.BytesIO(data)) as other:
        assert {name: other.read(name) for name in other.namelist()} == files
        assert other.testzip() is None
    assert zipped(*((plain(name), files[name]) for name in sorted(files))) == data


@given(st.binary(max_size=300))
def test_no_other_bytes_are_an_archive(data: bytes) -> None:
    """Anything is refused in one way."""
    with pytest.raises(IntegrityError):
        opened(data)


def _huge() -> bytes:
    """A directory that claims a file of 4 GB."""
    data = bytearray(zipped((plain("a"), b"x")))
    entry = data.index(b"PK\1\2")
    struct.pack_into("<LL", data, entry + 20, 0xFFFFFFF0, 0xFFFFFFF0)
    return bytes(data)


def _many() -> bytes:
    return zipped(*((plain(f"a{i:04}"), b"") for i in range(1000)))


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "leads outside": (lambda: zipped((plain("../../etc/passwd"), b"x")), "../../etc/passwd"),
    "absolute": (lambda: zipped((plain("/etc/passwd"), b"x")), "/etc/passwd"),
    "a drive": (lambda: zipped((plain("C:/x"), b"x")), "C:/x"),
    "backslashes": (lambda: zipped((plain("..\\x"), b"x")), r"..\x"),
    "hidden": (lambda: zipped((plain("a/.ssh"), b"x")), "a/.ssh"),
    "controls a terminal": (lambda: zipped((plain("a\x1b[2J"), b"x")), r"a\x1b[2J"),
    "a name twice": (lambda: zipped((plain("a"), b"x"), (plain("a"), b"y")), "a"),
    "not in order": (lambda: zipped((plain("b"), b"x"), (plain("a"), b"y")), "a"),
    "a symbolic link": (lambda: zipped((plain("a", external_attr=0o120777 << 16), b"/etc/passwd")), "a"),
    "executable": (lambda: zipped((plain("a", external_attr=0o100755 << 16), b"x")), "a"),
    "a folder": (lambda: zipped((plain("a/"), b"")), "a/"),
    "a bomb": (lambda: zipped((plain("a", compress_type=zipfile.ZIP_DEFLATED), bytes(1 << 22))), "a"),
    "a later date": (lambda: zipped((plain("a", date_time=(2026, 1, 1, 0, 0, 0)), b"x")), "a"),
    "a comment": (lambda: zipped((plain("a"), b"x"), comment=b"hello"), "end"),
    "something before": (lambda: b"#!/bin/sh\n" + zipped((plain("a"), b"x")), "directory"),
    "something after": (lambda: zipped((plain("a"), b"x")) + b"\0", "end"),
    "4 GB": (_huge, "a"),
    "many files": (_many, "directory"),
    "nothing": (lambda: b"", "end"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive(name: str) -> None:
    """Refused with exit code 5 and the place, before any content is read."""
    make, where = HOSTILE[name]
    with pytest.raises(IntegrityError) as caught:
        opened(make())
    assert caught.value.exit_code == 5
    assert caught.value.where == f"x.zip, {where}"


def test_a_file_larger_than_any_bundle(tmp_path: Path) -> None:
    """It is not read at all: of this file only a hole is on the disk."""
    path = tmp_path / "x.zip"
    with path.open("wb") as file:
        file.truncate(2 * MOST_BYTES)
    with path.open("rb") as file, pytest.raises(IntegrityError) as caught:
        Archive(file, path)
    assert caught.value.where == f"{path}, size"


def test_a_document_that_is_too_large() -> None:
    """Readers say how much they take."""
    archive = opened(b"".join(pack({"a": bytes(100)})))
    with pytest.raises(IntegrityError) as caught:
        archive.read("a", most=99)
    assert caught.value.where == "x.zip, a"


def test_a_name_that_no_bundle_has() -> None:
    """The writer refuses what the reader would."""
    with pytest.raises(ValueError, match="not a name"):
        list(pack({"../a": b""}))
