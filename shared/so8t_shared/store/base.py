"""Interface of artifact stores; LocalStore is a folder, MinioStore a bucket.

Keys are POSIX paths without a leading slash. An object appears whole or not at all. Every later
reader sees a written value. One conformance suite tests all implementations.
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
    """Hex digest of the bytes if the store computed it during the transfer, else empty."""


class ArtifactStore(Protocol):
    """Objects by key. Every method may raise StorageError or ServerError."""

    @property
    def location(self) -> str:
        """The store's location, for display."""
        ...

    @property
    def local_root(self) -> Path:
        """A folder on this host for scratch files, downloads and cached digests."""
        ...

    @property
    def remote(self) -> bool:
        """Whether objects travel over a network; if so, put_file and get_file report the sha256 of the bytes."""
        ...

    def patient(self, seconds: float) -> ArtifactStore:
        """The same store, retrying requests for at most `seconds` while a server is unreachable."""
        ...

    def checked(self, check: Callable[[], None]) -> ArtifactStore:
        """The same store with `check`, which may raise to end waiting for a server or a transfer.

        It is called before each retry of a request, each file, and each part of a large file, and replaces an earlier
        check.
        """
        ...

    def put_bytes(self, key: str, data: bytes) -> ObjectStat:
        """Write an object, replacing an older one."""
        ...

    def put_file(self, key: str, source: Path, *, move: bool = False) -> ObjectStat:
        """Write a file's bytes as an object, replacing an older one; with `move` the source may be gone afterward."""
        ...

    def get_bytes(self, key: str) -> bytes | None:
        """The object's bytes, or None if there is no such object."""
        ...

    def get_file(self, key: str, target: Path) -> ObjectStat | None:
        """Copy an object to a new file; None if there is no such object."""
        ...

    def checksum(self, key: str) -> ObjectStat | None:
        """Read the whole object; return its size, etag and sha256, or None if there is no such object."""
        ...

    def read_part(self, key: str, start: int, size_bytes: int, etag: str) -> bytes | None:
        """Bytes of an object, from `start` on; None if it is gone or no longer has `etag`.

        The part is not empty, and lies within the object.
        """
        ...

    def local_path(self, key: str) -> Path | None:
        """The object as a read-only file, if the store has one on this host."""
        ...

    def read_versioned(self, key: str) -> tuple[bytes, str] | None:
        """Bytes and etag of the same version, or None."""
        ...

    def put_if_absent(self, key: str, data: bytes) -> str | None:
        """Write unless the object exists; return the etag, or None if it existed. Exactly one racer wins."""
        ...

    def compare_and_put(self, key: str, data: bytes, etag: str) -> str | None:
        """Write only if the object still has `etag`; return the new etag, or None if it has changed."""
        ...

    def stat(self, key: str) -> ObjectStat | None:
        """Size and etag, or None if there is no such object."""
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """All keys below `prefix` (a folder), sorted."""
        ...

    def listing(self, prefix: str) -> Iterator[tuple[str, ObjectStat]]:
        """All keys below `prefix` with size and etag, for as many requests as `list`.

        In a bucket these etags differ from `stat`'s; they, too, change whenever an object is written.
        """
        ...

    def folders(self, prefix: str) -> Iterator[str]:
        """Names of the folders directly below `prefix`, sorted; costs a request for a thousand, however full they are.

        Read lazily, so that taking the first few costs one request.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove an object, if it exists."""
        ...


def is_safe_key(key: str) -> bool:
    """Whether `check_key` accepts it."""
    named = all(part not in {"", ".", ".."} for part in key.split("/"))
    return named and not any(ord(c) < 32 or c in '\\:*?"<>|' for c in key)


def check_key(key: str) -> str:
    """Return `key` if it cannot lead outside the store.

    Raises:
        InputError: an empty, absolute or climbing path, or a control character.
    """
    if not is_safe_key(key):
        raise InputError(
            f"{key!r} is not a safe key for the store.",
            where="a path in a manifest, or a session name",
            remedy="use relative paths with ordinary characters and without '..'",
        )
    return key
