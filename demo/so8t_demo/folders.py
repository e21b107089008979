"""A folder that is either complete or absent.

It is built under another name, gets a marker with the digest of every file, and is then renamed. A
killed build therefore leaves nothing at the target, and a damaged or outdated folder is detected and rebuilt.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from so8t_shared.documents import Document
from so8t_shared.errors import InputError, IntegrityError, NewerFormat
from so8t_shared.files import files_below, remove_tree, sha256_file, storage_errors, sync_folder
from so8t_shared.processes import process_start

MARKER = ".complete.json"


class Complete(Document):
    """The marker: the folder's recipe and the digest of every file."""

    schema_version: Literal[1] = 1
    recipe: dict[str, Any]
    files: dict[str, str]


def build_folder(target: Path, recipe: dict[str, Any], build: Callable[[Path], None]) -> bool:
    """Fill `target` with what `build` writes into an empty folder; return whether that was necessary.

    `recipe` (JSON) is everything that determines the result. A folder with the same recipe and
    undamaged files is left alone.

    Raises:
        InputError: `target` holds something else, which is never overwritten.
        StorageError: the disk is full, read-only, or not writable by this user.
    """
    if is_complete(target, recipe):
        return False
    _refuse_foreign(target)
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target)
        unfinished = target.with_name(f".{target.name}.partial-{os.getpid()}")
        unfinished.mkdir()
        try:
            build(unfinished)
            _seal(unfinished, recipe)
            _replace(target, unfinished)
        finally:
            remove_tree(unfinished)
    return True


def is_complete(folder: Path, recipe: dict[str, Any]) -> bool:
    """Whether `folder` was built from `recipe` and every file is unchanged."""
    try:
        marker = Complete.read(folder / MARKER)
    except (IntegrityError, NewerFormat):
        return False
    return marker == Complete(recipe=recipe, files=_contents(folder))


def _contents(folder: Path) -> dict[str, str]:
    return {name: sha256_file(folder / name) for name in files_below(folder) if name != MARKER}


def _seal(folder: Path, recipe: dict[str, Any]) -> None:
    for name in files_below(folder):
        path = folder / name
        path.chmod(0o644)
        with path.open("rb") as file:
            os.fsync(file.fileno())
    (folder / MARKER).write_bytes(Complete(recipe=recipe, files=_contents(folder)).to_bytes())
    sync_folder(folder)


def _replace(target: Path, finished: Path) -> None:
    outdated = target.with_name(f".{target.name}.outdated-{os.getpid()}")
    if target.exists():
        target.rename(outdated)
    finished.rename(target)
    sync_folder(target.parent)
    remove_tree(outdated)


def _refuse_foreign(target: Path) -> None:
    """Allow replacing only an empty folder, or one with our marker."""
    if not target.exists() or (target / MARKER).is_file():
        return
    if not target.is_dir() or any(target.iterdir()):
        raise InputError(
            "The target already holds something that this command did not make; it is not overwritten.",
            where=str(target),
            remedy="use another --out, or move it away",
        )


def _remove_leftovers(target: Path) -> None:
    """Delete leftovers of builds of this folder that are no longer running."""
    pattern = re.compile(rf"\.{re.escape(target.name)}\.(partial|outdated)-(\d+)")
    for path in target.parent.iterdir():
        found = pattern.fullmatch(path.name)
        if found and (int(found[2]) == os.getpid() or process_start(int(found[2])) is None):
            remove_tree(path)
