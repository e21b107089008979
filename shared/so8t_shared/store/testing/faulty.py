"""A store that fails, dies or triggers other events where a test says so, and that records its calls.

full = Fault("put_file", StorageError("The disk is full."), key="*/model.gguf")
store = FaultyStore(LocalStore(tmp_path), fail_on=[full])
"""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, TypeVar

from so8t_shared.store.base import ArtifactStore, ObjectStat

T = TypeVar("T")
Moment = Literal["before", "after"]


@dataclass(frozen=True)
class Call:
    """A request to a store: the method's name, its key or prefix, and how long it may be retried."""

    operation: str
    key: str
    patience_s: float = math.inf
    """The smallest value given to `patient`."""


@dataclass(eq=False)
class Fault:
    """Something that happens before or after certain calls."""

    operation: str
    """The method's name, or a pattern such as `put_*`."""
    does: Exception | Callable[[Call], object]
    """Raised, or called: it may raise, wait, kill the process, or do what another host would do."""
    key: str = "*"
    """A pattern of keys."""
    at: Moment = "before"
    """`after` the object has been read or written; raising then simulates a lost response."""
    skip: int = 0
    """Number of matching calls that succeed first."""
    times: float = math.inf
    """Number of calls that fail after that."""
    met: int = field(default=0, init=False)
    """Matching calls so far, including successful ones."""
    _guard: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        if not any(fnmatchcase(name, self.operation) for name in vars(ArtifactStore)):
            raise ValueError(f"no store has an operation {self.operation!r}")

    def meet(self, call: Call, moment: Moment) -> None:
        """Trigger the fault if it applies to this call."""
        if moment != self.at or not _matches(call, self.operation, self.key):
            return
        with self._guard:
            number, self.met = self.met, self.met + 1
        if not self.skip <= number < self.skip + self.times:
            return
        if isinstance(self.does, Exception):
            raise self.does
        self.does(call)


class FaultyStore:
    """Another store, with faults; `patient` and `checked` give views that share its faults and calls."""

    def __init__(self, inner: ArtifactStore, fail_on: Iterable[Fault] = ()) -> None:
        self._inner = inner
        self._patience_s = math.inf
        self.fail_on = list(fail_on)
        """Can be changed at any time."""
        self.calls: list[Call] = []
        """All requests, including failed ones."""

    def keys(self, operation: str, key: str = "*") -> list[str]:
        """The keys of the calls so far that match both patterns."""
        return [call.key for call in self.calls if _matches(call, operation, key)]

    def _call(self, operation: str, key: str, work: Callable[[], T]) -> T:
        call = Call(operation, key, self._patience_s)
        self.calls.append(call)
        for fault in tuple(self.fail_on):
            fault.meet(call, "before")
        result = work()
        for fault in tuple(self.fail_on):
            fault.meet(call, "after")
        return result

    def _view(self, inner: ArtifactStore, patience_s: float) -> FaultyStore:
        view = copy.copy(self)
        view._inner, view._patience_s = inner, patience_s
        return view

    @property
    def location(self) -> str:
        """The inner store's."""
        return self._inner.location

    @property
    def local_root(self) -> Path:
        """The inner store's."""
        return self._inner.local_root

    @property
    def remote(self) -> bool:
        """The inner store's."""
        return self._inner.remote

    def patient(self, seconds: float) -> FaultyStore:
        """A view whose calls carry that patience."""
        return self._view(self._inner.patient(seconds), min(seconds, self._patience_s))

    def checked(self, check: Callable[[], None]) -> FaultyStore:
        """A view with that check."""
        return self._view(self._inner.checked(check), self._patience_s)

    def put_bytes(self, key: str, data: bytes) -> ObjectStat:
        """See `ArtifactStore` for this and the methods below."""
        return self._call("put_bytes", key, lambda: self._inner.put_bytes(key, data))

    def put_file(self, key: str, source: Path, *, move: bool = False) -> ObjectStat:
        """Write a file's bytes."""
        return self._call("put_file", key, lambda: self._inner.put_file(key, source, move=move))

    def get_bytes(self, key: str) -> bytes | None:
        """The object's bytes."""
        return self._call("get_bytes", key, lambda: self._inner.get_bytes(key))

    def get_file(self, key: str, target: Path) -> ObjectStat | None:
        """Copy an object to a new file."""
        return self._call("get_file", key, lambda: self._inner.get_file(key, target))

    def checksum(self, key: str) -> ObjectStat | None:
        """Size, etag and sha256 of the stored bytes."""
        return self._call("checksum", key, lambda: self._inner.checksum(key))

    def local_path(self, key: str) -> Path | None:
        """The object as a file on this host."""
        return self._call("local_path", key, lambda: self._inner.local_path(key))

    def read_versioned(self, key: str) -> tuple[bytes, str] | None:
        """Bytes and etag."""
        return self._call("read_versioned", key, lambda: self._inner.read_versioned(key))

    def put_if_absent(self, key: str, data: bytes) -> str | None:
        """Write unless the object exists."""
        return self._call("put_if_absent", key, lambda: self._inner.put_if_absent(key, data))

    def compare_and_put(self, key: str, data: bytes, etag: str) -> str | None:
        """Write if the object has that etag."""
        return self._call("compare_and_put", key, lambda: self._inner.compare_and_put(key, data, etag))

    def stat(self, key: str) -> ObjectStat | None:
        """Size and etag."""
        return self._call("stat", key, lambda: self._inner.stat(key))

    def list(self, prefix: str) -> Iterator[str]:
        """All keys below a folder, listed immediately."""
        return iter(self._call("list", prefix, lambda: tuple(self._inner.list(prefix))))

    def listing(self, prefix: str) -> Iterator[tuple[str, ObjectStat]]:
        """All keys below a folder with size and etag, listed immediately."""
        return iter(self._call("listing", prefix, lambda: tuple(self._inner.listing(prefix))))

    def folders(self, prefix: str) -> Iterator[str]:
        """Names of the folders below a folder, listed immediately."""
        return iter(self._call("folders", prefix, lambda: tuple(self._inner.folders(prefix))))

    def delete(self, key: str) -> None:
        """Remove an object."""
        self._call("delete", key, lambda: self._inner.delete(key))


def _matches(call: Call, operation: str, key: str) -> bool:
    return fnmatchcase(call.operation, operation) and fnmatchcase(call.key, key)
