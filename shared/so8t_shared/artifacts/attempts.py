"""Attempts: what each writes lies below a number of its own, so that one that wakes late can harm nothing.

Outputs and checkpoints of attempt n have keys below attempts/<n>/, where no other process writes. What counts is
said by the artifact's manifest, which may also name what earlier attempts have saved.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal

from so8t_shared.artifacts.artifact import Artifact, attempt_record, newest_attempt
from so8t_shared.artifacts.manifests import FileEntry, FileSet, Manifest
from so8t_shared.artifacts.uploads import upload
from so8t_shared.documents import Document
from so8t_shared.errors import IntegrityError, NewerFormat
from so8t_shared.files import files_below, sha256_file
from so8t_shared.host import host_name, now, versions
from so8t_shared.leases.lease import Lease

_OUTPUT = re.compile(r"attempts/\d+/output/")


class AttemptRecord(Document):
    """attempt.json: who made the attempt, for people."""

    schema_version: Literal[1] = 1
    host: str
    pid: int
    started: str


class Attempt:
    """One process's try at an artifact."""

    def __init__(self, artifact: Artifact, number: int) -> None:
        self.artifact = artifact
        self.number = number
        self.below = f"attempts/{number:04d}"
        """Where it writes, below the artifact's folder."""

    @classmethod
    def begin(cls, artifact: Artifact) -> Attempt:
        """The next attempt, whose number nobody else has."""
        record = AttemptRecord(host=host_name(), pid=os.getpid(), started=now()).to_bytes()
        number = newest_attempt(artifact.objects()) + 1
        while artifact.store.put_if_absent(f"{artifact.prefix}/{attempt_record(number)}", record) is None:
            number += 1
        return cls(artifact, number)

    def checkpoint(self, name: str) -> FileSet:
        """Where this attempt saves the checkpoint of that name."""
        return FileSet(self.artifact.store, f"{self.artifact.prefix}/{self.below}/checkpoints/{name}")

    def commit(self, folder: Path, key: dict[str, Any], lease: Lease) -> Manifest:
        """Move the files of `folder` into the store, then write the manifest: the commit point.

        To a bucket only those are sent that no attempt has sent yet.

        Raises:
            LeaseLost: another process took over; nothing was committed.
            IntegrityError: another result is committed.
        """
        artifact = self.artifact
        lease.confirm(artifact.store)
        if (committed := artifact.reusable(lease)[0]) is not None:
            return self._same(committed, [[name, sha256_file(folder / name)] for name in files_below(folder)])
        files = upload(artifact, f"{self.below}/output", folder, self._sent())
        manifest = Manifest(files=files, key=key, created=now(), host=host_name(), versions=versions())
        lease.confirm(artifact.store)
        if artifact.store.put_if_absent(artifact.manifest_key, manifest.to_bytes()) is None:
            return self._same(artifact.manifest(), [[entry.path, entry.sha256] for entry in files])
        return manifest

    def _sent(self) -> list[FileEntry]:
        """Files in the bucket that attempts have sent: in whole checkpoints, or of a commit, as far as known here."""
        artifact = self.artifact
        if not artifact.store.remote:
            return []  # a folder takes every file as it is
        objects = artifact.objects()
        places = artifact.checkpoints(objects).values()
        saved = [entry for checkpoint in places for files in checkpoint for entry in _saved(files)]
        below = len(artifact.prefix) + 1
        found = [FileEntry.model_validate({**entry.model_dump(), "key": key[below:]}) for key, entry in saved]
        keys = [key for key in objects if _OUTPUT.match(key)]
        return found + [entry for key in keys if (entry := artifact.recall(f"{artifact.prefix}/{key}"))]

    def _same(self, committed: Manifest | None, ours: list[list[str]]) -> Manifest:
        """What is committed, if it is what we have, too."""
        if committed is None or committed.content() != ours:
            raise IntegrityError(
                "Another process committed a different result for the same fingerprint.",
                where=self.artifact.manifest_key,
                remedy="run again; the artifact is checked and, if damaged, made anew",
            )
        return committed


def _saved(files: FileSet) -> list[tuple[str, FileEntry]]:
    """Key and entry of each file of a checkpoint; none of one that cannot be read."""
    try:
        manifest = files.manifest()
    except (IntegrityError, NewerFormat):
        return []
    return [(files.key_of(entry), entry) for entry in (manifest.files if manifest else ())]
