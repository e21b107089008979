"""Manifests: the list of an artifact's files, written last, so that its presence is the commit.

Readers reject an artifact without a manifest, and check every file against it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from so8t_shared.artifacts.digests import DigestCache, ObjectDigests
from so8t_shared.artifacts.downloads import download_folder, flush_file, fresh_name
from so8t_shared.canonical import digest
from so8t_shared.documents import Document, Part
from so8t_shared.errors import IntegrityError
from so8t_shared.files import sha256_file, storage_errors, sync_folder
from so8t_shared.store.base import ArtifactStore, ObjectStat, check_key

WITHDRAWN = b'{"schema_version":1,"withdrawn":true}'
"""Replaces the manifest of a damaged artifact: unlike a deletion, a conditional write harms no newer manifest, however
late a stopped process continues. Older versions of this program take it for damage, and rebuild too."""


class FileEntry(Part):
    """One file of an artifact."""

    path: str
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    etag: str = Field("", description="Etag of the object when committed to a bucket; empty in a folder.")
    key: str = Field("", description="Key relative to the manifest's folder; empty means files/<path>.")


class Manifest(Document):
    """The contents of a committed artifact or checkpoint; before version 2 every file was at files/<path>."""

    schema_version: Literal[1, 2] = 2
    files: tuple[FileEntry, ...]
    key: dict[str, Any] = Field(default_factory=dict, description="Parts of the fingerprint, compared by `plan`.")
    created: str = Field("", description="UTC, ISO 8601.")
    host: str = ""
    versions: dict[str, str] = Field(default_factory=dict)

    def content_digest(self, prefixes: tuple[str, ...] = ("",)) -> str:
        """Digest of the paths and bytes of the files whose path starts with one of `prefixes`."""
        return digest(self.content(prefixes))

    def content(self, prefixes: tuple[str, ...] = ("",)) -> list[list[str]]:
        """Path and sha256 of each file whose path starts with one of `prefixes`."""
        return [[f.path, f.sha256] for f in self.files if f.path.startswith(prefixes)]

    @property
    def size_bytes(self) -> int:
        """Total size of all files."""
        return sum(f.size_bytes for f in self.files)


class FileSet:
    """Files below one key, complete only with their manifest."""

    def __init__(self, store: ArtifactStore, prefix: str) -> None:
        self.store = store
        self.prefix = prefix
        self.digests = DigestCache(store.local_root / "digests.sqlite")
        self._objects = ObjectDigests(store.local_root / "digests.sqlite")

    @property
    def manifest_key(self) -> str:
        """Key of the manifest."""
        return f"{self.prefix}/manifest.json"

    def key_of(self, entry: FileEntry) -> str:
        """Key of one file.

        Raises:
            InputError: it, or the file's path, leads outside the store.
        """
        path = check_key(entry.path)
        return check_key(f"{self.prefix}/{entry.key or f'files/{path}'}")

    def manifest(self) -> Manifest | None:
        """The manifest, or None if nothing complete is here.

        Raises:
            IntegrityError: it is damaged.
            NewerFormat: a newer program wrote it.
        """
        data = self.store.get_bytes(self.manifest_key)
        return None if data in {None, WITHDRAWN} else Manifest.from_bytes(data or b"", self.manifest_key)

    def publish(self, manifest: Manifest) -> bool:
        """Write the manifest, the commit point, unless one is there; return whether it was written."""
        current = self.store.read_versioned(self.manifest_key)
        if current is None:
            return self.store.put_if_absent(self.manifest_key, manifest.to_bytes()) is not None
        data, etag = current
        if data != WITHDRAWN:
            return False
        return self.store.compare_and_put(self.manifest_key, manifest.to_bytes(), etag) is not None

    def remember(self, key: str, sha256: str, etag: str) -> None:
        """Cache the digest of an object that was just written."""
        path = self.store.local_path(key)
        if path is None:
            self._objects.note(self._object(key), etag, sha256)
        else:
            self.digests.remember(path, sha256)

    def recall(self, key: str) -> FileEntry | None:
        """The manifest entry for an object in a bucket; None if this host does not know its digest."""
        stat = self.store.stat(key)
        sha256 = self._objects.recall(self._object(key), stat.etag) if stat else None
        if stat is None or sha256 is None:
            return None
        below = key.removeprefix(f"{self.prefix}/")
        return FileEntry(path=below, key=below, size_bytes=stat.size_bytes, sha256=sha256, etag=stat.etag)

    def faults(self, manifest: Manifest, *, read: bool = False) -> list[str]:
        """One clause for each file that is missing or differs from the manifest.

        With `read`, every byte is read; else a file or object that is unchanged since it was read or written counts as
        right.
        """
        found = []
        for entry in manifest.files:
            stat = self.store.stat(self.key_of(entry))
            if stat is None:
                found.append(f"{entry.path} is missing")
            elif stat.size_bytes != entry.size_bytes:
                found.append(f"{entry.path} has {stat.size_bytes} bytes, the manifest says {entry.size_bytes}")
            elif wrong := self._wrong_bytes(entry, stat, read=read):
                found.append(wrong)
        return found

    def _wrong_bytes(self, entry: FileEntry, stat: ObjectStat, *, read: bool) -> str:
        """The fault in the stored bytes, or "" if there is none.

        An object that still has its etag from the commit has not been written since. Any other is read once, as is one
        that a process on this host failed to read.
        """
        key = self.key_of(entry)
        path = self.store.local_path(key)
        if path is not None:
            right = (self.digests.sha256_read if read else self.digests.sha256)(path) == entry.sha256
            return "" if right else other_bytes(entry)
        name = self._object(key)
        known = self._objects.recall(name, stat.etag)
        if not read and known is None and entry.etag == stat.etag and not self._objects.in_doubt(name, stat.etag):
            return ""
        if read or known is None:
            try:
                whole = self.store.checksum(key)
            except IntegrityError:
                return f"{entry.path} cannot be read: the server has lost its bytes"
            if whole is None:
                return f"{entry.path} is missing"
            known = whole.sha256
            self._objects.note(name, whole.etag, known)
        return "" if known == entry.sha256 else other_bytes(entry)

    def materialize(self, manifest: Manifest, prefixes: tuple[str, ...] = ("",), *, unread: str = "") -> Path:
        """A read-only local folder with the verified files, each read whole at least once by this process.

        A store on this host returns its own folder; from any other store the files are downloaded. Files that match
        the pattern `unread` are read only if they are new here: the caller hashes what it reads of them, and asks
        `check_read`.

        Raises:
            IntegrityError: a file is missing or altered.
        """
        wanted = [f for f in manifest.files if f.path.startswith(prefixes)]
        if (folder := self._own_folder(wanted)) is not None:
            for read in (True, False):
                files = tuple(f for f in wanted if fnmatchcase(f.path, unread) is not read)
                self._check(manifest.model_copy(update={"files": files}), read=read)
            return folder
        target = self._downloads(manifest)
        for entry in wanted:
            self._download(entry, target / entry.path, read=not fnmatchcase(entry.path, unread))
        return target

    def check_read(self, manifest: Manifest, folder: Path, found: Mapping[Path, str]) -> None:
        """Compare the sha256 of files of `folder`, which `materialize` returned, with the manifest.

        Raises:
            IntegrityError: a file is altered.
        """
        altered = [e for e in manifest.files if found.get(folder / e.path, e.sha256) != e.sha256]
        for entry in altered:
            self.digests.remember(folder / entry.path, found[folder / entry.path])
        if altered:
            raise self.damaged("; ".join(map(other_bytes, altered)))

    def _own_folder(self, wanted: list[FileEntry]) -> Path | None:
        """The local store's folder that contains all these files under their own paths, if there is one."""
        paths = [(entry, self.store.local_path(self.key_of(entry))) for entry in wanted]
        folders = {path.parents[entry.path.count("/")] if path else None for entry, path in paths}
        if len(folders) != 1 or (folder := folders.pop()) is None:
            return None
        return folder if all(folder / entry.path == path for entry, path in paths) else None

    def _downloads(self, manifest: Manifest) -> Path:
        return download_folder(
            self.store.local_root, self.prefix, manifest.content_digest(), manifest_key=self.manifest_key
        )

    def keep(self, manifest: Manifest, folder: Path) -> None:
        """Move the files of `folder`, which were just uploaded to a bucket, to where `materialize` looks for them."""
        target = self._downloads(manifest)
        for entry in manifest.files:
            fresh = fresh_name(target / entry.path)
            with storage_errors(target):
                fresh.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(folder / entry.path, fresh)
                flush_file(fresh)
            self._install(fresh, target / entry.path, entry.sha256)

    def _install(self, fresh: Path, target: Path, sha256: str) -> None:
        """Rename a file that is flushed to the disk, and only then cache its digest."""
        with storage_errors(target):
            fresh.replace(target)
            sync_folder(target.parent)
        self.digests.remember(target, sha256)

    def _check(self, manifest: Manifest, *, read: bool) -> None:
        if faults := self.faults(manifest, read=read):
            raise self.damaged("; ".join(faults))

    def _download(self, entry: FileEntry, target: Path, *, read: bool) -> None:
        digest_of = self.digests.sha256_read if read else self.digests.sha256
        if target.is_file() and digest_of(target) == entry.sha256:
            return
        key = self.key_of(entry)
        fresh = fresh_name(target)
        try:
            stat = self._fetched(key, fresh)
            if stat is None:
                raise self.damaged(f"{entry.path} is missing")
            sha256 = stat.sha256 or sha256_file(fresh)
            if sha256 != entry.sha256:
                self._objects.doubt(self._object(key), stat.etag)  # the stage that made it will read it itself
                raise self.damaged(other_bytes(entry))
            self._objects.note(self._object(key), stat.etag, sha256)
            self._install(fresh, target, sha256)
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

    def damaged(self, how: str) -> IntegrityError:
        """The error that says how a stored file is damaged."""
        return IntegrityError(
            f"A stored artifact is damaged: {how}.",
            where=f"{self.store.location}, {self.prefix}",
            remedy="run again: the stage that made it rebuilds it",
        )

    def _object(self, key: str) -> str:
        """Name of an object in the digest cache."""
        return f"{self.store.location}/{key}"

    def delete(self, check: Callable[[], None] = lambda: None) -> None:
        """Remove the manifest first, so that no reader trusts the rest, then all other objects.

        `check` is called before each and may raise to end it.
        """
        for key in [self.manifest_key, *self.store.list(self.prefix)]:
            check()
            self.store.delete(key)


def other_bytes(entry: FileEntry) -> str:
    """What is wrong with a file whose digest is not the entry's."""
    return f"the bytes of {entry.path} differ from the manifest"
