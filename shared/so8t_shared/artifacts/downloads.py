"""Downloads on this host, and the removal of downloads whose originals left the store.

There is one folder per artifact and content, with a note of the manifest's key next to it. While the manifest is
in the store, the folder stays: the next stage that needs the artifact finds it. Folders of artifacts removed by `gc`,
and of old checkpoints, are removed after a day without use.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from contextlib import suppress
from pathlib import Path

from so8t_shared.canonical import digest
from so8t_shared.errors import InputError
from so8t_shared.files import storage_errors, write_atomically
from so8t_shared.store.base import ArtifactStore, check_key

_UNUSED_S = 86_400.0
"""Long enough for a stage to finish reading an artifact that is being rebuilt because of damage."""

_LEFTOVER_AFTER_S = 3600.0

_NOTE = ".of"


def download_folder(root: Path, prefix: str, content_digest: str, manifest_key: str) -> Path:
    """The folder for these contents, created if missing and marked as used now.

    Raises:
        StorageError: the disk is full or cannot be written.
    """
    folder = root / "downloads" / digest([prefix, content_digest])[:16]
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder.with_suffix(_NOTE), manifest_key.encode())
        _remove_unfinished(folder)
    return folder


def fresh_name(target: Path) -> Path:
    """A unique name next to the target: other processes may be reading or downloading the same file."""
    return target.with_name(f".{uuid.uuid4().hex}.part")


def flush_file(path: Path) -> None:
    """Flush a file's bytes to the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def left_downloads(store: ArtifactStore) -> list[Path]:
    """Folders on this host, unused for a day, whose artifact or checkpoint is gone from the store."""
    notes = sorted((store.local_root / "downloads").glob(f"*{_NOTE}"))
    return [note.with_suffix("") for note in notes if _is_left(store, note)]


def remove_download(folder: Path) -> None:
    """Remove a folder as far as possible, its note last, so that leftovers are found again."""
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        folder.with_suffix(_NOTE).unlink(missing_ok=True)


def forget_downloads(root: Path, prefix: str) -> None:
    """Remove immediately all folders whose manifest key starts with `prefix`."""
    for note in (root / "downloads").glob(f"*{_NOTE}"):
        with suppress(OSError, ValueError):
            if note.read_text("utf-8").startswith(prefix):
                remove_download(note.with_suffix(""))


def _is_left(store: ArtifactStore, note: Path) -> bool:
    try:
        age_s = time.time() - note.stat().st_mtime
        key = check_key(note.read_text("utf-8"))
    except (OSError, ValueError, InputError):
        return False  # already gone, or not ours
    return age_s > _UNUSED_S and store.stat(key) is None


def _remove_unfinished(folder: Path) -> None:
    """Remove partial files of killed downloads; a running download keeps writing to its file."""
    for path in folder.rglob(".*.part"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _LEFTOVER_AFTER_S:
                path.unlink()
