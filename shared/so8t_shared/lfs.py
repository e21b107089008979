"""Git LFS pointers: the few lines of text that stand where a large file should be, until `git lfs pull`."""

from __future__ import annotations

from pathlib import Path

from so8t_shared.errors import InputError

_BEGIN = b"version https://git-lfs"
_LIMIT_BYTES = 1024
"""A pointer is smaller (git-lfs, docs/spec.md)."""


def refuse_pointer(path: Path) -> None:
    """Refuse a file that is only a pointer.

    Raises:
        InputError: it is one.
        OSError: the file cannot be read.
    """
    if path.stat().st_size < _LIMIT_BYTES and path.read_bytes().startswith(_BEGIN):
        raise InputError(
            f"{path.name} is a Git LFS pointer, not the file itself.",
            where=str(path),
            remedy="run 'git lfs pull' in its folder, or download the file",
        )
