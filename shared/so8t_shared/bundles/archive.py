"""The archive of a bundle: a zip file whose every byte follows from its files' names and contents.

Names are sorted, times fixed, nothing is compressed, and no field is free: there is no room for anything that a reader
overlooks, such as a second file of the same name, a link, a comment, or bytes between files. So the reader does not
interpret an archive: it compares it with the one that the writer would make of the same files. Any zip program opens
it. The format: APPNOTE.TXT 6.3.10 by PKWARE, sections 4.3.7, 4.3.12 and 4.3.16.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from so8t_shared.errors import InputError, IntegrityError
from so8t_shared.escapes import visible

MOST_BYTES = 1 << 30
"""Of an archive."""
MOST_FILES = 200

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_VERSION = 20
_MADE_ON_UNIX = 3 << 8 | _VERSION
_STORED, _NO_FLAGS, _MIDNIGHT, _FIRST_DAY = 0, 0, 0, 1 << 5 | 1
"""1 January 1980, the first that the format knows."""
_PLAIN_FILE = 0o100644 << 16
_NAME = re.compile(r"[a-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*){0,3}")
_LONGEST_NAME = 200
_CHUNK = 1 << 20
_LINK = 0o120000


@dataclass(frozen=True)
class Member:
    """A file in an archive."""

    name: str
    size: int
    crc: int
    start: int
    """Place of its header."""

    @property
    def data(self) -> int:
        """Place of its first byte."""
        return self.start + _LOCAL.size + len(self.name)

    @property
    def end(self) -> int:
        """Place after its last byte."""
        return self.data + self.size

    def header(self) -> bytes:
        """What stands before its bytes."""
        fields = (_VERSION, _NO_FLAGS, _STORED, _MIDNIGHT, _FIRST_DAY, self.crc, self.size, self.size)
        return _LOCAL.pack(b"PK\3\4", *fields, len(self.name), 0) + self.name.encode()

    def entry(self) -> bytes:
        """What stands in the directory."""
        fields = (_MADE_ON_UNIX, _VERSION, _NO_FLAGS, _STORED, _MIDNIGHT, _FIRST_DAY, self.crc, self.size, self.size)
        return _CENTRAL.pack(
            b"PK\1\2", *fields, len(self.name), 0, 0, 0, 0, _PLAIN_FILE, self.start
        ) + self.name.encode()  # fmt: skip


def pack(files: Mapping[str, bytes]) -> Iterator[bytes]:
    """Yield an archive's bytes in pieces.

    Raises:
        InputError: it would be larger than a reader accepts.
    """
    members, place = [], 0
    for name in sorted(files):
        if not _is_safe(name):
            raise ValueError(f"not a name of a bundle's file: {name!r}")
        members.append(Member(name, len(files[name]), zlib.crc32(files[name]), place))
        place = members[-1].end
    if place > MOST_BYTES or len(members) > MOST_FILES:
        raise InputError(
            f"The bundle would have {place >> 20:,} MiB in {len(members):,} files;"
            f" {MOST_BYTES >> 20:,} MiB in {MOST_FILES:,} files are read.",
            where="the answers and rows of the session",
            remedy="use --without-texts",
        )
    for member in members:
        yield member.header()
        yield files[member.name]
    yield _directory(members)


def _directory(members: list[Member]) -> bytes:
    entries = b"".join(member.entry() for member in members)
    start = members[-1].end if members else 0
    return entries + _END.pack(b"PK\5\6", 0, 0, len(members), len(members), len(entries), start, 0)


class Archive:
    """An archive that is open for reading; nothing in it was believed before it was compared."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        """Read and check everything but the files' contents.

        Raises:
            IntegrityError: it is not as `pack` writes it.
        """
        self._file, self._path = file, path
        size = file.seek(0, 2)
        if size > MOST_BYTES + _END.size + MOST_FILES * (_CENTRAL.size + _LONGEST_NAME):
            raise self.refused(f"it has {size >> 20:,} MiB, more than {MOST_BYTES >> 20:,}", "size")
        if size < _END.size:
            raise self.refused("it is no zip archive", "end")
        count, length, start = self._end(size)
        if count > MOST_FILES or start + length + _END.size != size:
            raise self.refused("its directory is not where its end says", "directory")
        self.members = {member.name: member for member in self._members(count, self._read(start, length))}
        self._check_places(start, size)

    def _end(self, size: int) -> tuple[int, int, int]:
        """Number of files, length and place of the directory."""
        found = _END.unpack(self._read(size - _END.size, _END.size))
        magic, disk, first, here, count, length, start, comment = found
        if magic != b"PK\5\6":
            raise self.refused("it is no zip archive, or something follows it", "end")
        if (disk, first, here, comment) != (0, 0, count, 0):
            raise self.refused("it has several parts or a comment", "end")
        return count, length, start

    def _members(self, count: int, directory: bytes) -> Iterator[Member]:
        place, seen = 0, ""
        for number in range(count):
            head = directory[place : place + _CENTRAL.size]
            if len(head) < _CENTRAL.size or head[:4] != b"PK\1\2":
                raise self.refused("its directory is damaged", f"entry {number + 1}")
            fields = _CENTRAL.unpack(head)
            name = self._name(directory[place + _CENTRAL.size : place + _CENTRAL.size + fields[10]], number)
            if name <= seen:
                what = "is there twice" if name == seen else "is not in its order"
                raise self.refused(f"a file {what}", name)
            member = Member(name, fields[9], fields[7], fields[16])
            expected = member.entry()
            if directory[place : place + len(expected)] != expected:
                raise self.refused(_oddity(fields), name)
            yield member
            place, seen = place + len(expected), name
        if place != len(directory):
            raise self.refused("its directory is longer than its entries", "directory")

    def _name(self, raw: bytes, number: int) -> str:
        name = raw.decode("utf-8", "backslashreplace")
        if not _is_safe(name):
            raise self.refused(
                "a name that no bundle has: it might lead outside", visible(name) or f"entry {number + 1}"
            )
        return name

    def _check_places(self, directory: int, size: int) -> None:
        place = 0
        for member in self.members.values():
            if member.start != place or member.end > size:
                raise self.refused("the files do not follow one another", member.name)
            if self._read(place, member.data - place) != member.header():
                raise self.refused("its header differs from the directory", member.name)
            place = member.end
        if place != directory:
            raise self.refused("something stands between the files and the directory", "directory")

    def read(self, name: str, most: int = MOST_BYTES) -> bytes:
        """A file's bytes.

        Raises:
            IntegrityError: it is missing, longer than `most`, or not what was packed.
        """
        member = self.members.get(name)
        if member is None:
            raise self.refused("a file is missing", name)
        if member.size > most:
            raise self.refused(f"it has {member.size:,} bytes, more than {most:,}", name)
        data = self._read(member.data, member.size)
        if zlib.crc32(data) != member.crc:
            raise self.refused("its bytes were changed after packing", name)
        return data

    def _read(self, place: int, size: int) -> bytes:
        self._file.seek(place)
        return self._file.read(size)

    def refused(self, what: str, where: str) -> IntegrityError:
        """The error about something in this archive."""
        return IntegrityError(
            f"The bundle is not as it was written: {what}.",
            where=f"{visible(str(self._path))}, {where}",
            remedy="get it again from its author; do not rely on this one",
        )


def _is_safe(name: str) -> bool:
    return len(name) <= _LONGEST_NAME and bool(_NAME.fullmatch(name))


def _oddity(fields: tuple[int, ...]) -> str:
    """Why an entry is not one that the writer makes, with its fields as APPNOTE numbers them."""
    _, _, _, flags, method, _, _, _, packed, size, _, _, comment, *_, attributes, _ = fields
    if (attributes >> 16) & 0o170000 == _LINK:
        return "a symbolic link"
    if flags & 1:
        return "it is encrypted"
    if method != _STORED or packed != size:
        return "it is compressed by the archive"
    return "it has a comment" if comment else "a field of its entry has another value"
