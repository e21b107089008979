"""What every artifact store can do; LocalStore is a folder, MinioStore a bucket.

Keys are POSIX paths without a leading slash. An object appears whole or not at all. A value
written is seen by every later reader. One conformance suite runs over all implementations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from so8t_shared.errors import InputError


@dataclass(frozen=True)
class ObjectStat:
    """Size in bytes, and a tag that changes whenever the object is written."""

    size_bytes: int
    etag: str
    sha256: str = field(default="", compare=False)
    """Hex digest of the bytes where the store computed it on the way, else empty."""


class ArtifactStore(Protocol):
    """Objects under keys. Every method may raise StorageError or ServerError."""

    @property
    def location(self) -> str:
        """Where the store is, for people."""
        ...

    @property
    def local_root(self) -> Path:
        """A folder of this host for scratch files, downloads and remembered digests."""
        ...

    @property
    def remote(self) -> bool:
        """Whether objects travel over a network: then put_file and get_file say the sha256 of what went by."""
        ...

    def patient(self, seconds: float) -> ArtifactStore:
        """The same place, where a request is tried again for `seconds` at most while a server is away."""
        ...

    def checked(self, check: Callable[[], None]) -> ArtifactStore:
        """The same place; `check` may raise, to end the waiting for a server or a transfer.

        It is called before each further try of a request, each file, and each part of a large one, in place of an
        earlier check.
        """
        ...

    def put_bytes(self, key: str, data: bytes) -> ObjectStat:
        """Write an object, replacing an older one."""
        ...

    def put_file(self, key: str, source: Path, *, move: bool = False) -> ObjectStat:
        """Write a file's bytes as an object, replacing an older one; with `move` the source may be gone afterwards."""
        ...

    def get_bytes(self, key: str) -> bytes | None:
        """The object's bytes, or None when there is none."""
        ...

    def get_file(self, key: str, target: Path) -> ObjectStat | None:
        """Copy an object to a new file; None when there is no such object."""
        ...

    def checksum(self, key: str) -> ObjectStat | None:
        """Size, etag and sha256 of the bytes stored now, all of which are read; None when there is no such object."""
        ...

    def local_path(self, key: str) -> Path | None:
        """The object as a file to be read only, if the store has one on this host."""
        ...

    def read_versioned(self, key: str) -> tuple[bytes, str] | None:
        """Bytes and etag of one and the same version, or None."""
        ...

    def put_if_absent(self, key: str, data: bytes) -> str | None:
        """Write unless an object is there; the etag, or None when one was there. Exactly one racer wins."""
        ...

    def compare_and_put(self, key: str, data: bytes, etag: str) -> str | None:
        """Write only if the object still has `etag`; the new etag, or None when it has not."""
        ...

    def stat(self, key: str) -> ObjectStat | None:
        """Size and etag, or None when there is no such object."""
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """All keys below `prefix` (a folder), sorted."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; absent is fine."""
        ...


def check_key(key: str) -> str:
    """Return `key` if it cannot lead outside the store.

    Raises:
        InputError: an empty, absolute or climbing path, or a control character.
    """
    parts = key.split("/")
    if any(part in {"", ".", ".."} for part in parts) or any(ord(c) < 32 or c in '\\:*?"<>|' for c in key):
        raise InputError(
            f"{key!r} is not a safe name inside the store.",
            where="a path in a manifest, or a session's name",
            remedy="use relative paths of ordinary characters without '..'",
        )
    return key
