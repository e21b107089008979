"""Git LFS pointers: a few lines of text in place of a large file, until `git lfs pull`."""

from __future__ import annotations

from pathlib import Path

from so8t_shared.errors import InputError

_BEGIN = b"version https://git-lfs"
_LIMIT_BYTES = 1024
"""Pointers are smaller (git-lfs, docs/spec.md)."""


def refuse_pointer(path: Path) -> None:
    """Check that a file is not just a pointer.

    Raises:
        InputError: the file is a pointer.
        OSError: the file cannot be read.
    """
    if path.stat().st_size < _LIMIT_BYTES and path.read_bytes().startswith(_BEGIN):
        raise InputError(
            f"{path.name} is a Git LFS pointer, not the file itself.",
            where=str(path),
            remedy="run 'git lfs pull' in its folder, or download the file",
        )
