"""Caches below cache/<namespace>/<owner>/ and the sessions that still need them."""

from __future__ import annotations

from dataclasses import dataclass

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.sessions.uses import Uses
from so8t_shared.store.base import ArtifactStore

_CACHING = "evaluate"
"""The only stage that caches."""


@dataclass(frozen=True)
class StoredCache:
    """What one owner, an artifact's fingerprint, has cached; entries of earlier versions have other owners' names."""

    owner: str
    keys: list[str]
    size_bytes: int


def list_caches(store: ArtifactStore) -> list[StoredCache]:
    """All caches, by owner."""
    found: dict[str, list[str]] = {}
    for key in store.list("cache"):
        found.setdefault(key.split("/")[2], []).append(key)
    return [StoredCache(owner, keys, _size(store, keys)) for owner, keys in sorted(found.items())]


def unneeded(store: ArtifactStore, uses: Uses, kept: set[str]) -> list[StoredCache]:
    """Caches of no artifact that a kept or new session has made or is working on."""
    return [cache for cache in list_caches(store) if not _needed(store, cache, uses, kept)]


def _needed(store: ArtifactStore, cache: StoredCache, uses: Uses, kept: set[str]) -> bool:
    owner = Artifact(store, _CACHING, cache.owner)
    return not kept.isdisjoint(uses.of(owner)) or uses.wanted_now(owner, kept)


def _size(store: ArtifactStore, keys: list[str]) -> int:
    stats = map(store.stat, keys)
    return sum(stat.size_bytes for stat in stats if stat)
