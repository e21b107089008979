"""Objects that are written once and never changed: locked by the server, where the bucket has object lock.

Such a bucket keeps every version, and whoever may write can put a newer one on top: readers of sealed objects look at
all versions, of which the oldest is the sealed one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from so8t_shared.store.base import ArtifactStore


@dataclass(frozen=True)
class Sealed:
    """What became of a write."""

    new: bool
    """False if the object existed."""
    locked: bool
    """Whether the server guards it."""


@dataclass(frozen=True)
class Version:
    """One version of an object."""

    key: str
    data: bytes | None
    """None marks a deletion."""


@runtime_checkable
class SealingStore(Protocol):
    """A store whose server can lock objects and keep versions."""

    def put_sealed(self, key: str, data: bytes, until: datetime) -> Sealed:
        """Write unless the object exists; lock it until then, where the bucket allows."""
        ...

    def versions(self, prefix: str) -> Iterator[Version]:
        """All versions of all objects below `prefix`, oldest first for each key."""
        ...


def put_sealed(store: ArtifactStore, key: str, data: bytes, until: datetime) -> Sealed:
    """Write unless the object exists; lock it until then, where the store can."""
    if isinstance(store, SealingStore):
        return store.put_sealed(key, data, until)
    return Sealed(new=store.put_if_absent(key, data) is not None, locked=False)


def versions(store: ArtifactStore, prefix: str) -> Iterator[Version]:
    """All versions that the store keeps of the objects below `prefix`, oldest first for each key."""
    if isinstance(store, SealingStore):
        yield from store.versions(prefix)
        return
    for key in store.list(prefix):
        yield Version(key, store.get_bytes(key))
