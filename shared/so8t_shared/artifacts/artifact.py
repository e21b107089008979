"""An artifact: the committed output of one stage for one fingerprint."""

from __future__ import annotations

from collections.abc import Callable, Set
from pathlib import Path
from typing import Any

from so8t_shared.artifacts.manifests import FileSet, Manifest
from so8t_shared.errors import IntegrityError
from so8t_shared.files import files_below, sha256_file
from so8t_shared.host import host_name, now, versions
from so8t_shared.leases.lease import Lease
from so8t_shared.store.base import ArtifactStore


class Artifact(FileSet):
    """artifacts/<stage>/<fingerprint>: files, manifest, checkpoints and lease."""

    def __init__(self, store: ArtifactStore, stage: str, fingerprint: str) -> None:
        super().__init__(store, f"artifacts/{stage}/{fingerprint}")
        self.stage = stage
        self.fingerprint = fingerprint

    @property
    def lease_key(self) -> str:
        """Key of the lease."""
        return f"{self.prefix}/lease.json"

    def through(self, store: ArtifactStore) -> Artifact:
        """The same artifact, by way of the same store with other limits."""
        return Artifact(store, self.stage, self.fingerprint)

    def checkpoint(self, name: str) -> FileSet:
        """The in-stage checkpoint of that name."""
        return FileSet(self.store, f"{self.prefix}/work/{name}")

    def checkpoint_names(self) -> list[str]:
        """Names of the complete checkpoints, sorted."""
        base = f"{self.prefix}/work"
        manifests = [key for key in self.store.list(base) if key.endswith("/manifest.json")]
        return sorted(key.removeprefix(f"{base}/").split("/")[0] for key in manifests if key.count("/") == 5)

    def commit(
        self, folder: Path, key: dict[str, Any], lease: Lease, check: Callable[[], None] = lambda: None
    ) -> Manifest:
        """Move the files of `folder` into the store, then write the manifest: the commit point.

        The store should not try again what a lost lease forbids: then nobody's files are written over late.
        `check` is called before each file and each part of a large one, and may raise to end it: a commit that is
        begun again sends, to a bucket, only the files that had not arrived.

        Raises:
            LeaseLost: another process took over; nothing was committed.
        """

        def before_each() -> None:
            check()
            lease.confirm(self.store)

        def guard() -> None:
            check()
            lease.check()

        lease.confirm(self.store)
        if (committed := self.reusable()[0]) is not None:
            return self._same(committed, folder)
        names = files_below(folder)
        keep = {self.file_key(name) for name in names} if self.store.remote else set()
        self._delete_files(keep)  # what an interrupted commit left; the upload looks at those of the same name
        entries = self.upload(folder, before_each=before_each, guard=guard)
        manifest = Manifest(files=entries, key=key, created=now(), host=host_name(), versions=versions())
        lease.confirm(self.store)
        if self.store.put_if_absent(self.manifest_key, manifest.to_bytes()) is None:
            committed = self.manifest()
            if committed is None or committed.content_digest() != manifest.content_digest():
                raise self._another_result()
            return committed
        return manifest

    def _same(self, committed: Manifest, folder: Path) -> Manifest:
        """What is committed, if it is what `folder` holds."""
        ours = [[name, sha256_file(folder / name)] for name in files_below(folder)]
        if ours != [[entry.path, entry.sha256] for entry in committed.files]:
            raise self._another_result()
        return committed

    def _another_result(self) -> IntegrityError:
        return IntegrityError(
            "Another process committed a different result for the same fingerprint.",
            where=self.manifest_key,
            remedy="run again; the artifact is checked and, if damaged, made anew",
        )

    def drop_work(self) -> None:
        """Remove all checkpoints; they are worth nothing after the commit."""
        for key in list(self.store.list(f"{self.prefix}/work")):
            self.store.delete(key)

    def inspect(self) -> tuple[Manifest | None, str]:
        """The manifest if everything it lists is there and right, else (None, why not).

        "" means that there never was one.

        Raises:
            NewerFormat: a newer program wrote the manifest.
        """
        try:
            manifest = self.manifest()
        except IntegrityError as error:
            return None, error.what
        if manifest is None:
            return None, ""
        faults = self.faults(manifest)
        return (None, "; ".join(faults)) if faults else (manifest, "")

    def reusable(self) -> tuple[Manifest | None, str]:
        """As `inspect`, and a damaged artifact is taken away, so that it is made anew."""
        manifest, why = self.inspect()
        if why:
            self.delete_committed()
        return manifest, why

    def delete_committed(self) -> None:
        """Take back the commit: manifest first, then the files."""
        self.store.delete(self.manifest_key)
        self._delete_files()

    def _delete_files(self, keep: Set[str] = frozenset()) -> None:
        for key in list(self.store.list(f"{self.prefix}/files")):
            if key not in keep:
                self.store.delete(key)
