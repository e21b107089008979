"""Checkpoints within a stage: folders that survive a kill, each complete only with its manifest."""

from __future__ import annotations

from pathlib import Path

from so8t_shared.artifacts.attempts import Attempt
from so8t_shared.artifacts.downloads import forget_downloads
from so8t_shared.artifacts.manifests import FileSet, Manifest
from so8t_shared.artifacts.uploads import upload
from so8t_shared.errors import InputError, IntegrityError, NewerFormat
from so8t_shared.host import host_name, now
from so8t_shared.leases.lease import Lease
from so8t_shared.store.base import check_key


class Checkpoints:
    """Checkpoints of one stage for one fingerprint, earlier attempts included; swept after the commit.

    The lease is confirmed before a checkpoint is saved or removed: an attempt that was taken over ends there, and
    removes nothing that its successor resumes from. Without a lease, no other process may write.
    """

    def __init__(self, attempt: Attempt, lease: Lease | None = None) -> None:
        self._attempt = attempt
        self._artifact = attempt.artifact
        self._lease = lease

    def names(self) -> list[str]:
        """Names of complete, undamaged checkpoints, sorted."""
        return [name for name, places in self._artifact.checkpoints().items() if any(map(_intact, places))]

    def save(self, name: str, folder: Path) -> None:
        """Move the files of `folder` into a checkpoint; one with the same name is replaced.

        Use a new name for each state (step-000040) if the older one must survive a kill
        during saving.

        Raises:
            LeaseLost: another process took over the stage.
        """
        if "/" in check_key(name):
            raise InputError(f"{name!r} is not a valid checkpoint name.", remedy="use a name without '/'")
        files = self._attempt.checkpoint(name)
        self._remove(files)
        manifest = Manifest(files=upload(files, "files", folder), created=now(), host=host_name())
        files.store.put_bytes(files.manifest_key, manifest.to_bytes())
        if files.store.remote:
            files.keep(manifest, folder)

    def load(self, name: str) -> Path:
        """A verified, read-only local folder with the checkpoint's files.

        Raises:
            InputError: there is no such checkpoint.
            IntegrityError: it is damaged.
            NewerFormat: a newer program wrote it.
        """
        fault: IntegrityError | NewerFormat | None = None
        for files in self._artifact.checkpoints().get(name, []):
            try:
                if (manifest := files.manifest()) is not None:
                    return files.materialize(manifest)
            except (IntegrityError, NewerFormat) as error:
                fault = fault or error
        raise fault or InputError(f"There is no checkpoint {name!r}.", where=self._artifact.prefix)

    def drop(self, name: str) -> None:
        """Remove a checkpoint of any attempt, if it exists.

        Raises:
            LeaseLost: another process took over the stage; nothing was removed.
        """
        for files in self._artifact.checkpoints().get(name, []):
            self._remove(files)

    def _remove(self, files: FileSet) -> None:
        if self._lease is not None:
            self._lease.confirm(self._artifact.store)
        files.delete(self._lease.check if self._lease else lambda: None)
        forget_downloads(files.store.local_root, f"{files.prefix}/")


def _intact(files: FileSet) -> bool:
    try:
        manifest = files.manifest()
    except (IntegrityError, NewerFormat):
        return False
    return manifest is not None and not files.faults(manifest)
