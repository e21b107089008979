"""A store in front of another one, which decides what becomes of each request."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self, TypeVar

from so8t_shared.store.base import ArtifactStore, ObjectStat

T = TypeVar("T")


class ForwardingStore:
    """Another store. A subclass overrides `_call`, through which every request goes."""

    def __init__(self, inner: ArtifactStore) -> None:
        self._inner = inner

    def _call(self, operation: str, key: str, work: Callable[[ArtifactStore], T]) -> T:  # noqa: ARG002 - a subclass's
        """Make a request for a key or below a folder; `operation` is the method's name."""
        return work(self._inner)

    def _view(self, inner: ArtifactStore) -> Self:
        """The same store in front of that one."""
        view = copy.copy(self)
        view._inner = inner
        return view

    @property
    def location(self) -> str:
        """The inner store's; so are the two below."""
        return self._inner.location

    @property
    def local_root(self) -> Path:
        """A folder on this host."""
        return self._inner.local_root

    @property
    def remote(self) -> bool:
        """Whether it is a bucket."""
        return self._inner.remote

    def patient(self, seconds: float) -> Self:
        """The same store, retrying for at most `seconds`."""
        return self._view(self._inner.patient(seconds))

    def checked(self, check: Callable[[], None]) -> Self:
        """The same store with that check."""
        return self._view(self._inner.checked(check))

    def put_bytes(self, key: str, data: bytes) -> ObjectStat:
        """See `ArtifactStore` for this and the methods below."""
        return self._call("put_bytes", key, lambda store: store.put_bytes(key, data))

    def put_file(self, key: str, source: Path, *, move: bool = False) -> ObjectStat:
        """Write a file's bytes."""
        return self._call("put_file", key, lambda store: store.put_file(key, source, move=move))

    def get_bytes(self, key: str) -> bytes | None:
        """The object's bytes."""
        return self._call("get_bytes", key, lambda store: store.get_bytes(key))

    def get_file(self, key: str, target: Path) -> ObjectStat | None:
        """Copy an object to a new file."""
        return self._call("get_file", key, lambda store: store.get_file(key, target))

    def checksum(self, key: str) -> ObjectStat | None:
        """Size, etag and sha256 of the stored bytes."""
        return self._call("checksum", key, lambda store: store.checksum(key))

    def read_part(self, key: str, start: int, size_bytes: int, etag: str) -> bytes | None:
        """Some of the object's bytes."""
        return self._call("read_part", key, lambda store: store.read_part(key, start, size_bytes, etag))

    def local_path(self, key: str) -> Path | None:
        """The object as a file on this host."""
        return self._call("local_path", key, lambda store: store.local_path(key))

    def read_versioned(self, key: str) -> tuple[bytes, str] | None:
        """Bytes and etag."""
        return self._call("read_versioned", key, lambda store: store.read_versioned(key))

    def put_if_absent(self, key: str, data: bytes) -> str | None:
        """Write unless the object exists."""
        return self._call("put_if_absent", key, lambda store: store.put_if_absent(key, data))

    def compare_and_put(self, key: str, data: bytes, etag: str) -> str | None:
        """Write if the object has that etag."""
        return self._call("compare_and_put", key, lambda store: store.compare_and_put(key, data, etag))

    def stat(self, key: str) -> ObjectStat | None:
        """Size and etag."""
        return self._call("stat", key, lambda store: store.stat(key))

    def list(self, prefix: str) -> Iterator[str]:
        """All keys below a folder."""
        return self._call("list", prefix, lambda store: store.list(prefix))

    def listing(self, prefix: str) -> Iterator[tuple[str, ObjectStat]]:
        """All keys below a folder with size and etag."""
        return self._call("listing", prefix, lambda store: store.listing(prefix))

    def folders(self, prefix: str) -> Iterator[str]:
        """Names of the folders directly below a folder."""
        return self._call("folders", prefix, lambda store: store.folders(prefix))

    def delete(self, key: str) -> None:
        """Remove an object."""
        self._call("delete", key, lambda store: store.delete(key))
