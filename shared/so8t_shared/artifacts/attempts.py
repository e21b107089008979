"""Attempts: each writes below its own number, so that one that wakes up late does no harm.

Outputs and checkpoints of attempt n have keys below attempts/<n>/, where no other process writes. Only files named by
the artifact's manifest count; it may also name files saved by earlier attempts.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal

from so8t_shared.artifacts.artifact import Artifact, attempt_record, newest_attempt
from so8t_shared.artifacts.manifests import WITHDRAWN, FileEntry, FileSet, Manifest
from so8t_shared.artifacts.uploads import upload
from so8t_shared.documents import Document
from so8t_shared.errors import IntegrityError, NewerFormat
from so8t_shared.files import files_below, sha256_file
from so8t_shared.host import host_name, now, versions
from so8t_shared.leases.lease import Lease

_OUTPUT = re.compile(r"attempts/\d+/output/")


class AttemptRecord(Document):
    """attempt.json: the process that made the attempt, for debugging."""

    schema_version: Literal[1] = 1
    host: str
    pid: int
    started: str


class Attempt:
    """One process's attempt at an artifact."""

    def __init__(self, artifact: Artifact, number: int) -> None:
        self.artifact = artifact
        self.number = number
        self.below = f"attempts/{number:04d}"
        """Folder that it writes to, relative to the artifact's folder."""

    @classmethod
    def begin(cls, artifact: Artifact) -> Attempt:
        """Start the next attempt, with an unused number."""
        record = AttemptRecord(host=host_name(), pid=os.getpid(), started=now()).to_bytes()
        number = newest_attempt(artifact.objects()) + 1
        while artifact.store.put_if_absent(f"{artifact.prefix}/{attempt_record(number)}", record) is None:
            number += 1
        return cls(artifact, number)

    def checkpoint(self, name: str) -> FileSet:
        """The file set of this attempt's checkpoint with that name."""
        return FileSet(self.artifact.store, f"{self.artifact.prefix}/{self.below}/checkpoints/{name}")

    def commit(self, folder: Path, key: dict[str, Any], lease: Lease) -> Manifest:
        """Move the files of `folder` into the store, then write the manifest: the commit point.

        Uploads to a bucket only the files that no attempt has uploaded yet; but all of them if an earlier holder may
        still wake up and remove its own.

        Raises:
            LeaseLost: another process took over; nothing was committed.
            IntegrityError: a different result is already committed, or a file was removed during the commit, which was
                withdrawn: the next run commits anew.
        """
        artifact = self.artifact
        lease.confirm(artifact.store)
        if (committed := artifact.reusable(lease)[0]) is not None:
            return self._same(committed, [[name, sha256_file(folder / name)] for name in files_below(folder)])
        sent = [] if lease.follows_silence else self._sent()
        files = upload(artifact, f"{self.below}/output", folder, sent)
        manifest = Manifest(files=files, key=key, created=now(), host=host_name(), versions=versions())
        lease.confirm(artifact.store)
        if not artifact.publish(manifest):
            return self._same(artifact.manifest(), [[entry.path, entry.sha256] for entry in files])
        self._demand_whole(manifest)
        return manifest

    def _demand_whole(self, manifest: Manifest) -> None:
        """Withdraw a manifest whose files are not all there.

        A cleaner that was suspended between its last look at its lease and a DELETE removes one object when it wakes;
        where it had removed all attempts' records, ours has the same key. A DELETE after this is found by whoever reads
        the artifact next, which is then rebuilt.
        """
        artifact = self.artifact
        faults, current = artifact.faults(manifest), artifact.store.read_versioned(artifact.manifest_key)
        if current is not None and not faults:
            return
        if current is not None and current[0] == manifest.to_bytes():
            artifact.store.compare_and_put(artifact.manifest_key, WITHDRAWN, current[1])
        raise IntegrityError(
            "Another process removed files during the commit.",
            where="; ".join(faults) or artifact.manifest_key,
            remedy="run the same command again; end what still cleans this store",
        )

    def _sent(self) -> list[FileEntry]:
        """Files in the bucket that attempts have uploaded, in complete checkpoints or for a commit, if known here."""
        artifact = self.artifact
        if not artifact.store.remote:
            return []  # a folder just takes every file
        objects = artifact.objects()
        places = artifact.checkpoints(objects).values()
        saved = [entry for checkpoint in places for files in checkpoint for entry in _saved(files)]
        below = len(artifact.prefix) + 1
        found = [FileEntry.model_validate({**entry.model_dump(), "key": key[below:]}) for key, entry in saved]
        keys = [key for key in objects if _OUTPUT.match(key)]
        return found + [entry for key in keys if (entry := artifact.recall(f"{artifact.prefix}/{key}"))]

    def _same(self, committed: Manifest | None, ours: list[list[str]]) -> Manifest:
        """The committed manifest, if its content is the same as ours."""
        if committed is None or committed.content() != ours:
            raise IntegrityError(
                "Another process committed a different result for the same fingerprint.",
                where=self.artifact.manifest_key,
                remedy="run again: the artifact is checked and, if damaged, rebuilt",
            )
        return committed


def _saved(files: FileSet) -> list[tuple[str, FileEntry]]:
    """Key and entry of each file of a checkpoint; empty if it is unreadable."""
    try:
        manifest = files.manifest()
    except (IntegrityError, NewerFormat):
        return []
    return [(files.key_of(entry), entry) for entry in (manifest.files if manifest else ())]
