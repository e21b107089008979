"""An artifact: the committed output of one stage for one fingerprint, and its attempts' files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress

from so8t_shared.artifacts.downloads import forget_downloads
from so8t_shared.artifacts.manifests import WITHDRAWN, FileSet, Manifest
from so8t_shared.errors import IntegrityError, LeaseLost, NewerFormat
from so8t_shared.leases.holder import Watch
from so8t_shared.leases.lease import Lease, seize
from so8t_shared.store.base import ArtifactStore

_ATTEMPT = re.compile(r"attempts/(\d+)/attempt\.json")
_CHECKPOINT = re.compile(r"(?:attempts/(\d+)/checkpoints|work)/([^/]+)/manifest\.json")
"""Older versions of this program saved checkpoints in work/; these count as older than the first attempt."""


class Artifact(FileSet):
    """artifacts/<stage>/<fingerprint>: manifest, lease, and one folder per attempt."""

    def __init__(self, store: ArtifactStore, stage: str, fingerprint: str) -> None:
        super().__init__(store, f"artifacts/{stage}/{fingerprint}")
        self.stage = stage
        self.fingerprint = fingerprint

    @property
    def lease_key(self) -> str:
        """Key of the lease."""
        return f"{self.prefix}/lease.json"

    def objects(self) -> list[str]:
        """Keys of all objects, relative to the artifact's folder."""
        return [key.removeprefix(f"{self.prefix}/") for key in self.store.list(self.prefix)]

    def checkpoints(self, objects: list[str] | None = None) -> dict[str, list[FileSet]]:
        """Complete checkpoints by name; for several attempts, the newest comes first.

        `objects` avoids listing them again.
        """
        found = sorted(
            (match[2], int(match[1] or 0), match[0].rpartition("/")[0])
            for match in map(_CHECKPOINT.fullmatch, self.objects() if objects is None else objects)
            if match
        )
        places: dict[str, list[FileSet]] = {}
        for name, _, below in found:
            places.setdefault(name, []).insert(0, FileSet(self.store, f"{self.prefix}/{below}"))
        return places

    def inspect(self) -> tuple[Manifest | None, str]:
        """(Manifest, "") if every listed file is present and correct, else (None, reason).

        An empty reason means that there is no manifest.

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

    def damage(self) -> list[str]:
        """One clause for each fault, after reading every byte; empty without a manifest."""
        try:
            manifest = self.manifest()
        except (IntegrityError, NewerFormat) as error:
            return [error.what]
        return self.faults(manifest, read=True) if manifest else []

    def reusable(self, lease: Lease) -> tuple[Manifest | None, str]:
        """Like `inspect`, but also withdraw a damaged artifact's manifest and remove its files, so that it is rebuilt.

        Raises:
            LeaseLost: another process holds the lease, without which nothing may be removed.
        """
        current = self.store.read_versioned(self.manifest_key)
        manifest, why = self.inspect()
        if why and current is not None:
            lease.check()
            if self.store.compare_and_put(self.manifest_key, WITHDRAWN, current[1]) is None:
                lease.confirm(self.store)  # another process wrote it, so it must have the lease
            self._remove(self.unnamed(None, self.objects()), lease)
        return manifest, why

    def unnamed(self, manifest: Manifest | None, keys: Iterable[str]) -> list[str]:
        """The `keys`, in the form of `objects()`, of attempts' files that the manifest does not name.

        Excludes the newest attempt's record, so that no attempt number is ever reused.
        """
        keys = list(keys)
        kept = {self.manifest_key, self.lease_key, f"{self.prefix}/{attempt_record(newest_attempt(keys))}"}
        kept |= {self.key_of(entry) for entry in (manifest.files if manifest else ())}
        return [key for key in keys if f"{self.prefix}/{key}" not in kept]

    def sweep(self, lease: Lease) -> None:
        """Remove attempts' files that the manifest does not name, while the lease is ours.

        Without a manifest everything stays: the next attempt resumes from it.
        """
        if (manifest := self.manifest()) is not None:
            with suppress(LeaseLost):
                self._remove(self.unnamed(manifest, self.objects()), lease)

    def tidy(self, manifest: Manifest) -> None:
        """Sweep, unless there is nothing to remove or another process holds the lease."""
        if self.unnamed(manifest, self.objects()) and (lease := seize(Watch(self.store, self.lease_key))) is not None:
            try:
                self.sweep(lease)
            finally:
                lease.stop()

    def _remove(self, keys: Iterable[str], lease: Lease) -> None:
        for key in keys:
            lease.check()
            self.store.delete(f"{self.prefix}/{key}")
        forget_downloads(self.store.local_root, f"{self.prefix}/attempts/")


def attempt_record(number: int) -> str:
    """Key of an attempt's record, relative to the artifact's folder."""
    return f"attempts/{number:04d}/attempt.json"


def newest_attempt(keys: Iterable[str]) -> int:
    """Number of the newest attempt among an artifact's keys; 0 if there is none."""
    return max((int(match[1]) for match in map(_ATTEMPT.fullmatch, keys) if match), default=0)
