"""Move a stage's files into the store; files that the store already has from any attempt are not sent again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from so8t_shared.artifacts.digests import keep_written, sha256_now, written_key
from so8t_shared.artifacts.manifests import FileEntry, FileSet, Manifest
from so8t_shared.files import files_below


def upload(files: FileSet, below: str, folder: Path, there: Sequence[FileEntry] = ()) -> tuple[FileEntry, ...]:
    """Move all files of `folder` to keys of `files` that start with `below`; return their manifest entries.

    A file with the same bytes as one of the objects `there` is not moved, and its entry names that object.
    """
    return tuple(_upload(files, f"{below}/{name}", name, folder / name, there) for name in files_below(folder))


def _upload(files: FileSet, key: str, name: str, source: Path, there: Sequence[FileEntry]) -> FileEntry:
    size_bytes, remote = source.stat().st_size, files.store.remote
    alike = [entry for entry in there if entry.size_bytes == size_bytes]
    sha256 = sha256_now(source) if alike or not remote else ""  # otherwise the bucket's client hashes in transit
    for entry in alike:
        if entry.sha256 == sha256 and not files.faults(Manifest(files=(entry,))):
            return entry.model_copy(update={"path": name})
    before = written_key(source)
    stat = files.store.put_file(f"{files.prefix}/{key}", source, move=True)
    if (path := files.store.local_path(f"{files.prefix}/{key}")) is not None:
        keep_written(before, path)
    sha256 = stat.sha256 or sha256
    files.remember(f"{files.prefix}/{key}", sha256, stat.etag)
    return FileEntry(path=name, key=key, size_bytes=stat.size_bytes, sha256=sha256, etag=stat.etag if remote else "")
