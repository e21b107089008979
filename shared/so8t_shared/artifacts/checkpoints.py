"""In-stage checkpoints: folders that survive a kill, each complete only with its manifest."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.manifests import Manifest
from so8t_shared.errors import InputError, IntegrityError, NewerFormat
from so8t_shared.host import host_name, now
from so8t_shared.leases.lease import Lease
from so8t_shared.store.base import check_key


class Checkpoints:
    """Checkpoints of one stage for one fingerprint; dropped after the commit.

    The lease is confirmed before anything is written or removed: checkpoints of a process that has taken the stage
    over are not to be replaced, counted as old, or left behind after its commit. Without one, nobody else may write.
    """

    def __init__(self, artifact: Artifact, lease: Lease | None = None) -> None:
        self._artifact = artifact
        self._confirm = partial(lease.confirm, artifact.store) if lease else _alone
        self._check = lease.check if lease else _alone

    def names(self) -> list[str]:
        """Complete and undamaged checkpoints, sorted by name."""
        return [name for name in self._artifact.checkpoint_names() if self._intact(name)]

    def save(self, name: str, folder: Path) -> None:
        """Move the files of `folder` into a checkpoint; one of the same name is replaced.

        Choose a new name for each state (step-000040) where the older one must survive a kill
        during the saving.

        Raises:
            LeaseLost: another process took the stage over; what it has saved is as it was.
        """
        if "/" in check_key(name):
            raise InputError(f"{name!r} is no name of a checkpoint.", remedy="use a name without '/'")
        self._confirm()
        files = self._artifact.checkpoint(name)
        files.delete()
        entries = files.upload(folder, before_each=self._confirm, guard=self._check)
        manifest = Manifest(files=entries, created=now(), host=host_name())
        self._confirm()
        files.store.put_bytes(files.manifest_key, manifest.to_bytes())

    def load(self, name: str) -> Path:
        """A verified local folder with the checkpoint's files, to be read only.

        Raises:
            InputError: there is no such checkpoint.
            IntegrityError: it is damaged.
            NewerFormat: a newer program wrote it.
        """
        files = self._artifact.checkpoint(name)
        manifest = files.manifest()
        if manifest is None:
            raise InputError(f"There is no checkpoint {name!r}.", where=files.prefix)
        return files.materialise(manifest)

    def drop(self, name: str) -> None:
        """Remove a checkpoint; absent is fine.

        Raises:
            LeaseLost: another process took the stage over; nothing was removed.
        """
        self._confirm()
        self._artifact.checkpoint(name).delete()

    def _intact(self, name: str) -> bool:
        files = self._artifact.checkpoint(name)
        try:
            manifest = files.manifest()
        except (IntegrityError, NewerFormat):
            return False
        return manifest is not None and not files.faults(manifest)


def _alone() -> None:
    """Nobody else is there."""
