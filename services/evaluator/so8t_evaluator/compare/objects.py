"""JSON objects of a file, within bounds: one per line, one in all, or one per member of a zip archive."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile, ZipFile, ZipInfo

import zstandard

from so8t_evaluator.compare.faults import Faults, UnusableError, printable, shown

MOST_BYTES = 1 << 30
"""Of a pipe, or of a file with a single object, which must be held in memory."""
MOST_BYTES_OF_ONE = 64 << 20
"""Of a line, or of a member of an archive."""

_ZIP = b"PK\x03\x04"
_ZSTANDARD = 93
"""Compression method that Python's own zipfile knows from 3.14 on; inspect_ai uses it."""
_LOCAL_HEADER = struct.Struct("<4s22xHH")


def open_log(path: Path) -> BinaryIO:
    """Open a file, or take in a pipe, which cannot be read twice.

    Raises:
        UnusableError: it cannot be read.
    """
    try:
        file = path.open("rb")
        if file.seekable():
            return file
        with file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UnusableError(error.strerror or "it cannot be read") from error
    if len(data) > MOST_BYTES:
        raise UnusableError(f"a pipe of more than {MOST_BYTES >> 20:,} MiB; write it to a file")
    return io.BytesIO(data)


def objects_in(file: BinaryIO, faults: Faults) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each object with its place, such as "line 3"; what is no object is a fault."""
    file.seek(0)
    if file.read(len(_ZIP)) == _ZIP:
        yield from _members(file, faults)
        return
    file.seek(0)
    start = file.readline(MOST_BYTES_OF_ONE + 1)
    file.seek(0)
    if not _is_json(start) and (whole := _whole(file)) is not None:
        yield "", whole
        return
    yield from _lines(file, faults)


def _lines(file: BinaryIO, faults: Faults) -> Iterator[tuple[str, dict[str, Any]]]:
    file.seek(0)
    number = 0
    while line := file.readline(MOST_BYTES_OF_ONE + 1):
        number += 1
        if len(line) > MOST_BYTES_OF_ONE:
            faults.add(f"longer than {MOST_BYTES_OF_ONE >> 20} MiB; nothing after it was read", f"line {number}")
            return
        if line.strip():
            yield from _object(line, f"line {number}", faults)


def _whole(file: BinaryIO) -> dict[str, Any] | None:
    """Return the object that the file is; None if it is anything else."""
    data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        return None
    try:
        found = _parsed(data)
    except UnusableError:
        return None
    return found if isinstance(found, dict) else None


def _members(file: BinaryIO, faults: Faults) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the samples in inspect_ai's archive; nothing is extracted, so a member's name reaches no path."""
    try:
        with ZipFile(file) as archive:
            # of members with the same name the last one counts, as in every reader of archives
            samples = {m.filename: m for m in archive.infolist() if m.filename.startswith("samples/")}
            for name, member in samples.items():
                place = printable(name)
                try:
                    yield from _object(_content(archive, file, member), place, faults)
                except UnusableError as error:
                    faults.add(str(error), place)
    except (BadZipFile, OSError, NotImplementedError, RuntimeError, struct.error) as error:
        faults.add(f"a damaged archive: {printable(str(error))}")


def _content(archive: ZipFile, file: BinaryIO, member: ZipInfo) -> bytes:
    try:
        if member.compress_type == _ZSTANDARD:
            return _bounded(zstandard.ZstdDecompressor().stream_reader(_packed(file, member), read_across_frames=True))
        with archive.open(member) as content:
            return _bounded(content)
    except (zstandard.ZstdError, zlib.error, EOFError) as error:
        raise UnusableError(f"damaged: {printable(str(error))}") from error


def _packed(file: BinaryIO, member: ZipInfo) -> bytes:
    file.seek(member.header_offset)
    magic, name_size, extra_size = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    if magic != _ZIP:
        raise BadZipFile("a member is not where the directory says")
    file.seek(name_size + extra_size, io.SEEK_CUR)
    if member.compress_size > MOST_BYTES_OF_ONE:
        raise UnusableError(f"larger than {MOST_BYTES_OF_ONE >> 20} MiB")
    return file.read(member.compress_size)


def _bounded(content: Any) -> bytes:
    data: bytes = content.read(MOST_BYTES_OF_ONE + 1)
    if len(data) > MOST_BYTES_OF_ONE:
        raise UnusableError(f"larger than {MOST_BYTES_OF_ONE >> 20} MiB")
    return data


def _object(data: bytes, place: str, faults: Faults) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        found = _parsed(data)
    except UnusableError as error:
        faults.add(str(error), place)
        return
    if isinstance(found, dict):
        yield place, found
    else:
        faults.add(f"expected an object, found {shown(found)}", place)


def _is_json(data: bytes) -> bool:
    try:
        _parsed(data)
    except UnusableError:
        return False
    return True


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=_without_repetition)
    except UnicodeDecodeError as error:
        raise UnusableError("not UTF-8 text") from error
    except json.JSONDecodeError as error:
        raise UnusableError(f"not valid JSON: {error.msg} at character {error.pos + 1}") from error
    except (ValueError, RecursionError) as error:
        raise UnusableError(f"not usable JSON: {printable(str(error))}") from error


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise UnusableError(f"a key is given twice: {shown(next(n for n in names if names.count(n) > 1))}")
    return found
