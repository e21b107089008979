"""A store that fails, dies or triggers other events where a test says so, and that records its calls.

full = Fault("put_file", StorageError("The disk is full."), key="*/model.gguf")
store = FaultyStore(LocalStore(tmp_path), fail_on=[full])
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, Self, TypeVar, cast

from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.forwarding import ForwardingStore

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


class FaultyStore(ForwardingStore):
    """Another store, with faults; `patient` and `checked` give views that share its faults and calls."""

    def __init__(self, inner: ArtifactStore, fail_on: Iterable[Fault] = ()) -> None:
        super().__init__(inner)
        self._patience_s = math.inf
        self.fail_on = list(fail_on)
        """Can be changed at any time."""
        self.calls: list[Call] = []
        """All requests, including failed ones."""

    def keys(self, operation: str, key: str = "*") -> list[str]:
        """The keys of the calls so far that match both patterns."""
        return [call.key for call in self.calls if _matches(call, operation, key)]

    def _call(self, operation: str, key: str, work: Callable[[ArtifactStore], T]) -> T:
        call = Call(operation, key, self._patience_s)
        self.calls.append(call)
        for fault in tuple(self.fail_on):
            fault.meet(call, "before")
        result = work(self._inner)
        if isinstance(result, Iterator):  # a listing is made now, so that what fails afterward finds it made
            result = cast(T, iter(tuple(result)))
        for fault in tuple(self.fail_on):
            fault.meet(call, "after")
        return result

    def patient(self, seconds: float) -> Self:
        """A view whose calls carry that patience."""
        view = super().patient(seconds)
        view._patience_s = min(seconds, self._patience_s)
        return view


def _matches(call: Call, operation: str, key: str) -> bool:
    return fnmatchcase(call.operation, operation) and fnmatchcase(call.key, key)
