"""Copies of stored files that leave the store, verified: as they are, or with the session in a model's metadata.

The stored file of a model cannot name the session, because several sessions share it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.manifests import FileEntry, other_bytes
from so8t_shared.errors import InputError, IntegrityError
from so8t_shared.files import sha256_file, storage_errors
from so8t_shared.models.gguf_file import read_header
from so8t_shared.models.gguf_keys import copy_with_texts, sha256_without
from so8t_shared.part_file import OnBytes, copy_hashed, part_file
from so8t_shared.store.transfer import PART_BYTES

SESSION_KEY = "so8t.session"
EVALUATED_KEY = "so8t.evaluated_sha256"


@dataclass(frozen=True)
class Copy:
    """A file of an artifact that is copied as it is."""

    artifact: Artifact
    entry: FileEntry

    def is_at(self, path: Path) -> bool:
        """Whether a file outside the store is this copy; an unchanged file is read only once."""
        with storage_errors(path):
            same_size = path.is_file() and path.stat().st_size == self.entry.size_bytes
            return same_size and self.artifact.digests.sha256(path) == self.entry.sha256

    def write(self, target: Path, on_bytes: OnBytes) -> None:
        """Copy the file out of the store, verified; `target` appears whole or not at all.

        From a bucket, `on_bytes` counts whole parts, and a repeated one twice.

        Raises:
            IntegrityError: the stored file is missing or altered.
        """
        with part_file(target) as part:
            if (own := self._local()) is not None:
                self._check(copy_hashed(own, part, on_bytes))
            else:
                self._fetch(part, on_bytes)
        self.artifact.digests.remember(target, self.entry.sha256)

    def _local(self) -> Path | None:
        return self.artifact.store.local_path(self.artifact.key_of(self.entry))

    def _fetch(self, target: Path, on_bytes: OnBytes) -> None:
        parts = itertools.count(1)
        remote = self.artifact.store.checked(lambda: on_bytes(min(next(parts) * PART_BYTES, self.entry.size_bytes)))
        if (stat := remote.get_file(self.artifact.key_of(self.entry), target)) is None:
            raise self.artifact.damaged(f"{self.entry.path} is missing")
        self._check(stat.sha256 or sha256_file(target))

    def _check(self, sha256: str) -> None:
        if sha256 != self.entry.sha256:
            raise self.artifact.damaged(other_bytes(self.entry))


@dataclass(frozen=True)
class NamedCopy(Copy):
    """A GGUF file whose copy says for which session it was made, and which stored file was tested."""

    session_id: str

    @property
    def texts(self) -> dict[str, str]:
        """What the copy's metadata has beside the stored file's."""
        return {SESSION_KEY: self.session_id, EVALUATED_KEY: self.entry.sha256}

    def is_at(self, path: Path) -> bool:
        """Whether a file outside the store is this copy; an unchanged file is read only once."""
        with storage_errors(path):
            if not path.is_file() or path.stat().st_size <= self.entry.size_bytes:
                return False
            try:
                header = read_header(path)
                named = {key: header.text(key) for key in self.texts} == self.texts
                return named and self._original(path) == self.entry.sha256
            except (InputError, IntegrityError):
                return False

    def write(self, target: Path, on_bytes: OnBytes) -> None:
        """As `Copy.write`; from a bucket, the file is fetched beside the target first."""
        with part_file(target) as part:
            if (own := self._local()) is not None:
                self._rewrite(own, part, on_bytes)
                return
            fetched = part.with_name(f"{part.name}.part")  # is removed with the remains of a killed process
            try:
                self._fetch(fetched, on_bytes)
                self._rewrite(fetched, part, lambda _: on_bytes(self.entry.size_bytes))
            finally:
                fetched.unlink(missing_ok=True)

    def _rewrite(self, source: Path, part: Path, on_bytes: OnBytes) -> None:
        try:
            sha256 = copy_with_texts(source, part, self.texts, on_bytes)
        except (InputError, IntegrityError):
            self._check(sha256_file(source))  # rather say that the stored file is damaged
            raise
        self._check(sha256)

    def _original(self, path: Path) -> str:
        """Digest of the file without what its copy added."""
        what = "without " + " ".join(self.texts)
        return self.artifact.digests.derived(path, what, lambda file: sha256_without(file, self.texts))
