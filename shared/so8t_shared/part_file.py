"""A large file in the making: it takes its name only when complete, and a killed process's remains are found.

Its lock ends with its process, and so tells remains from the file of a working process.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from filelock import lock_descriptor

from so8t_shared.files import storage_errors, sync_folder, write_at

_CHUNK = 16 << 20
_WINDOWS = os.name == "nt"

OnBytes = Callable[[int], None]
"""Called with the bytes done so far; may raise to end the work."""


@contextmanager
def part_file(target: Path) -> Iterator[Path]:
    """A new empty file beside `target`, which replaces it when the block ends without an error.

    The block flushes the bytes to the disk. Removes what killed processes left for the same target.

    Raises:
        StorageError: the folder cannot be written.
    """
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_remains(target)
        part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
        with part.open("xb") as file:
            if _WINDOWS:
                file.close()  # the block opens it again; Windows neither renames nor deletes an open file
            else:
                lock_descriptor(file.fileno())
            try:
                yield part
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)
        sync_folder(target.parent)


def _remove_remains(target: Path) -> None:
    for part in target.parent.iterdir():
        if part.name.startswith(f".{target.name}.") and part.name.endswith(".part"):
            with suppress(OSError):
                if _is_left(part):
                    part.unlink()


def _is_left(part: Path) -> bool:
    with part.open("rb") as file:
        return _WINDOWS or lock_descriptor(file.fileno(), blocking=False)


def copy_hashed(source: Path, target: Path, on_bytes: OnBytes) -> str:
    """Copy into an existing empty file, flush it to the disk, and return the sha256 of the bytes.

    On file systems that can (Btrfs, XFS), the copy shares the disk's blocks with the source until one of them is
    written, and so takes no space.
    """
    sha256, done = hashlib.sha256(), 0
    with source.open("rb", buffering=0) as reader, target.open("r+b", buffering=0) as writer:
        while chunk := reader.read(_CHUNK):
            sha256.update(chunk)
            _put(reader, writer, chunk, done)
            done += len(chunk)
            on_bytes(done)
        os.fsync(writer.fileno())
    return sha256.hexdigest()


def _put(reader: BinaryIO, writer: BinaryIO, chunk: bytes, start: int) -> None:
    """Let the kernel copy the chunk, or write what it cannot."""
    done = 0
    with suppress(AttributeError, OSError):  # macOS and Windows lack the call; two file systems may not share it
        while done < len(chunk):
            at = start + done
            copied = os.copy_file_range(reader.fileno(), writer.fileno(), len(chunk) - done, at, at)
            if not copied:
                break
            done += copied
    write_at(writer.fileno(), memoryview(chunk)[done:], start + done)
