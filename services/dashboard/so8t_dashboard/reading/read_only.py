"""A store that is only read, and not too often."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NoReturn, Self

from so8t_shared.errors import StorageError
from so8t_shared.store.base import ArtifactStore, ObjectStat

READS_PER_S = 6.0
"""Objects of a bucket that are read per second, by all pages together."""
LISTS_PER_S = 1.0
"""Listings of a bucket per second, by all pages together."""

Request = Literal["read", "list"]


class Budget:
    """Lets requests pass at a steady rate; a few may be saved up."""

    def __init__(self, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._most = max(1.0, per_s)
        self._saved = self._most
        self._clock = clock
        self._last = clock()
        self._lock = threading.Lock()

    def take(self) -> float:
        """Take one request out of the budget; return the seconds to wait before it is made."""
        with self._lock:
            now = self._clock()
            self._saved = min(self._most, self._saved + (now - self._last) * self._per_s)
            self._last = now
            self._saved -= 1
            return max(0.0, -self._saved / self._per_s)


class ReadOnlyStore:
    """Another store: reads wait for the budget if it is a bucket, and writes are refused before they are sent."""

    def __init__(self, inner: ArtifactStore, budgets: dict[Request, Budget] | None = None) -> None:
        self._inner = inner
        self._budgets: dict[Request, Budget] = {"read": Budget(READS_PER_S), "list": Budget(LISTS_PER_S)}
        if budgets:
            self._budgets = budgets

    def _waited(self, request: Request) -> ArtifactStore:
        if self._inner.remote and (wait_s := self._budgets[request].take()):
            time.sleep(wait_s)
        return self._inner

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
        """The same store within the same budget, retrying for at most `seconds`."""
        return type(self)(self._inner.patient(seconds), self._budgets)

    def checked(self, check: Callable[[], None]) -> Self:
        """The same store within the same budget, with that check."""
        return type(self)(self._inner.checked(check), self._budgets)

    def get_bytes(self, key: str) -> bytes | None:
        """See `ArtifactStore` for this and the methods below."""
        return self._waited("read").get_bytes(key)

    def get_file(self, key: str, target: Path) -> ObjectStat | None:
        """Copy an object to a new file."""
        return self._waited("read").get_file(key, target)

    def checksum(self, key: str) -> ObjectStat | None:
        """Size, etag and sha256 of the stored bytes."""
        return self._waited("read").checksum(key)

    def local_path(self, key: str) -> Path | None:
        """The object as a file on this host."""
        return self._inner.local_path(key)

    def read_versioned(self, key: str) -> tuple[bytes, str] | None:
        """Bytes and etag."""
        return self._waited("read").read_versioned(key)

    def stat(self, key: str) -> ObjectStat | None:
        """Size and etag."""
        return self._waited("read").stat(key)

    def list(self, prefix: str) -> Iterator[str]:
        """All keys below a folder."""
        return self._waited("list").list(prefix)

    def listing(self, prefix: str) -> Iterator[tuple[str, ObjectStat]]:
        """All keys below a folder with size and etag."""
        return self._waited("list").listing(prefix)

    def folders(self, prefix: str) -> Iterator[str]:
        """Names of the folders directly below a folder."""
        return self._waited("list").folders(prefix)

    def put_bytes(self, key: str, data: bytes) -> NoReturn:
        """Refused, like all writes below."""
        raise _refused(key, data)

    def put_file(self, key: str, source: Path, *, move: bool = False) -> NoReturn:
        """Refused."""
        raise _refused(key, source, move)

    def put_if_absent(self, key: str, data: bytes) -> NoReturn:
        """Refused."""
        raise _refused(key, data)

    def compare_and_put(self, key: str, data: bytes, etag: str) -> NoReturn:
        """Refused."""
        raise _refused(key, data, etag)

    def delete(self, key: str) -> NoReturn:
        """Refused."""
        raise _refused(key)


def _refused(key: str, *unused: object) -> StorageError:
    del unused
    return StorageError("The dashboard never writes.", where=key, remedy="report this as a bug")
