"""Manifests: the list of an artifact's files, written last, so that its presence is the commit.

Readers refuse an artifact without a manifest, and check every file against it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from so8t_shared.artifacts.digests import DigestCache, ObjectDigests
from so8t_shared.artifacts.downloads import download_folder
from so8t_shared.canonical import digest
from so8t_shared.errors import IntegrityError
from so8t_shared.files import files_below, sha256_file, storage_errors, sync_folder
from so8t_shared.schema import Document
from so8t_shared.store.base import ArtifactStore, ObjectStat, check_key

_UPLOADS_TRIED = 3


class FileEntry(BaseModel):
    """One file of an artifact."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: str
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    etag: str = Field("", description="Of the object when it was committed to a bucket; empty in a folder.")


class Manifest(Document):
    """What a committed artifact or checkpoint consists of."""

    files: tuple[FileEntry, ...]
    key: dict[str, Any] = Field(default_factory=dict, description="Parts of the fingerprint, for `plan` to compare.")
    created: str = Field("", description="UTC, ISO 8601.")
    host: str = ""
    versions: dict[str, str] = Field(default_factory=dict)

    def content_digest(self, prefixes: tuple[str, ...] = ("",)) -> str:
        """Digest of the paths and bytes of the files whose path starts with one of `prefixes`."""
        return digest([[f.path, f.sha256] for f in self.files if f.path.startswith(prefixes)])

    @property
    def size_bytes(self) -> int:
        """Sum of all files."""
        return sum(f.size_bytes for f in self.files)


class FileSet:
    """Files below one key, complete only with their manifest."""

    def __init__(self, store: ArtifactStore, prefix: str) -> None:
        self.store = store
        self.prefix = prefix
        self._digests = DigestCache(store.local_root / "digests.sqlite")
        self._objects = ObjectDigests(store.local_root / "digests.sqlite")

    @property
    def manifest_key(self) -> str:
        """Key of the manifest."""
        return f"{self.prefix}/manifest.json"

    def file_key(self, path: str) -> str:
        """Key of one file."""
        return check_key(f"{self.prefix}/files/{path}")

    def manifest(self) -> Manifest | None:
        """The manifest, or None when nothing complete is here.

        Raises:
            IntegrityError: it is damaged.
            NewerFormat: a newer program wrote it.
        """
        data = self.store.get_bytes(self.manifest_key)
        return None if data is None else Manifest.from_bytes(data, self.manifest_key)

    def upload(
        self,
        folder: Path,
        *,
        before_each: Callable[[], None] = lambda: None,
        guard: Callable[[], None] = lambda: None,
    ) -> tuple[FileEntry, ...]:
        """Move all files of `folder` into the store; returns what a manifest says of them.

        `before_each` may raise, so that the rest stays where it is; `guard` is that of `ArtifactStore.put_file`.
        """
        entries = []
        for name in files_below(folder):
            before_each()
            if self.store.remote:
                entries.append(self._send(name, folder / name, before_each, guard))
            else:
                entries.append(self._move(name, folder / name))
        return tuple(entries)

    def _move(self, name: str, source: Path) -> FileEntry:
        size, sha256 = source.stat().st_size, sha256_file(source)
        self.store.put_file(self.file_key(name), source, move=True)
        stored = self.store.local_path(self.file_key(name))
        if stored is not None:
            self._digests.remember(stored, sha256)
        return FileEntry(path=name, size_bytes=size, sha256=sha256)

    def _send(self, name: str, source: Path, before_each: Callable[[], None], guard: Callable[[], None]) -> FileEntry:
        """Upload one file, unless an interrupted attempt has done so already.

        It never replaces: a request that a slow network delivers late cannot change what another process
        has put there in the meantime.
        """
        key, size = self.file_key(name), source.stat().st_size
        there = self.store.stat(key)
        if there is not None and there.size_bytes == size:
            known = self._objects.recall(self._object(key), there.etag)
            if known is not None and known == sha256_file(source):
                return FileEntry(path=name, size_bytes=size, sha256=known, etag=there.etag)
        for _ in range(_UPLOADS_TRIED):
            if there is not None:
                self.store.delete(key)
            stat = self.store.put_file(key, source, move=True, replace=False, guard=guard)
            if stat is not None:
                self._objects.note(self._object(key), stat.etag, stat.sha256)
                return FileEntry(path=name, size_bytes=stat.size_bytes, sha256=stat.sha256, etag=stat.etag)
            before_each()
            there = self.store.stat(key)
        raise IntegrityError(
            "Another process writes the same file again and again.",
            where=f"{self.store.location}, {key}",
            remedy="end the other process, then run again",
        )

    def faults(self, manifest: Manifest) -> list[str]:
        """Every file that is missing or differs from the manifest, as a sentence each."""
        found = []
        for entry in manifest.files:
            stat = self.store.stat(self.file_key(entry.path))
            if stat is None:
                found.append(f"{entry.path} is missing")
            elif stat.size_bytes != entry.size_bytes:
                found.append(f"{entry.path} has {stat.size_bytes} bytes, the manifest says {entry.size_bytes}")
            elif wrong := self._wrong_bytes(entry, stat):
                found.append(wrong)
        return found

    def _wrong_bytes(self, entry: FileEntry, stat: ObjectStat) -> str:
        """What is wrong with the stored bytes, "" for nothing.

        An object that still has the etag of the commit has not been written since. Another one is read once,
        and so is one whose bytes somebody on this host could not get.
        """
        key = self.file_key(entry.path)
        path = self.store.local_path(key)
        if path is not None:
            right = self._digests.sha256(path) == entry.sha256
            return "" if right else _other_bytes(entry)
        name = self._object(key)
        known = self._objects.recall(name, stat.etag)
        if known is None and entry.etag == stat.etag and not self._objects.in_doubt(name, stat.etag):
            return ""
        if known is None:
            try:
                read = self.store.checksum(key)
            except IntegrityError:
                return f"{entry.path} cannot be read: the server has lost its bytes"
            if read is None:
                return f"{entry.path} is missing"
            known = read.sha256
            self._objects.note(name, read.etag, known)
        return "" if known == entry.sha256 else _other_bytes(entry)

    def materialise(self, manifest: Manifest, prefixes: tuple[str, ...] = ("",)) -> Path:
        """A local folder with the verified files, to be read only.

        A store on this host gives its own folder; from another one the files are downloaded.

        Raises:
            IntegrityError: a file is missing or altered.
        """
        wanted = [f for f in manifest.files if f.path.startswith(prefixes)]
        direct = [self.store.local_path(self.file_key(f.path)) for f in wanted]
        if wanted and all(path is not None for path in direct):
            self._check(manifest.model_copy(update={"files": tuple(wanted)}))
            first = direct[0]
            assert first is not None
            return first.parents[wanted[0].path.count("/")]
        target = download_folder(
            self.store.local_root, self.prefix, manifest.content_digest(), manifest_key=self.manifest_key
        )
        for entry in wanted:
            self._download(entry, target / entry.path)
        return target

    def _check(self, manifest: Manifest) -> None:
        if faults := self.faults(manifest):
            raise self._damaged("; ".join(faults))

    def _download(self, entry: FileEntry, target: Path) -> None:
        if target.is_file() and self._digests.sha256(target) == entry.sha256:
            return
        key = self.file_key(entry.path)
        fresh = target.with_name(f".{uuid.uuid4().hex}.part")  # other processes may be reading or fetching the same
        try:
            stat = self._fetched(key, fresh)
            if stat is None:
                raise self._damaged(f"{entry.path} is missing")
            sha256 = stat.sha256 or sha256_file(fresh)
            if sha256 != entry.sha256:
                self._objects.doubt(self._object(key), stat.etag)  # the stage that made it reads it for itself
                raise self._damaged(_other_bytes(entry))
            self._objects.note(self._object(key), stat.etag, sha256)
            with storage_errors(target):
                fresh.replace(target)
                sync_folder(target.parent)
            self._digests.remember(target, sha256)
        finally:
            fresh.unlink(missing_ok=True)

    def _fetched(self, key: str, fresh: Path) -> ObjectStat | None:
        try:
            return self.store.get_file(key, fresh)
        except IntegrityError:
            stat = self.store.stat(key)
            if stat is not None:
                self._objects.doubt(self._object(key), stat.etag)
            raise

    def _damaged(self, how: str) -> IntegrityError:
        return IntegrityError(
            f"A stored artifact is damaged: {how}.",
            where=f"{self.store.location}, {self.prefix}",
            remedy="run again: the stage that made it notices and makes it anew",
        )

    def _object(self, key: str) -> str:
        """Name of an object in the memory of digests."""
        return f"{self.store.location}/{key}"

    def delete(self) -> None:
        """Remove the manifest first, so that no reader trusts the rest, then everything else."""
        self.store.delete(self.manifest_key)
        for key in list(self.store.list(self.prefix)):
            self.store.delete(key)


def _other_bytes(entry: FileEntry) -> str:
    return f"{entry.path} has other bytes than the manifest says"


def read_json(folder: Path, name: str) -> Any:
    """A JSON file of an artifact that was already verified."""
    return json.loads((folder / name).read_text(encoding="utf-8"))
