"""Caches below cache/<namespace>/<shelf>/<owner>/ and the sessions that still need them."""

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
    found: dict[str, dict[str, int]] = {}
    for key, stat in store.listing("cache"):
        found.setdefault(key.split("/")[-2], {})[key] = stat.size_bytes
    return [StoredCache(owner, list(sizes), sum(sizes.values())) for owner, sizes in sorted(found.items())]


def unneeded(store: ArtifactStore, uses: Uses, kept: set[str]) -> list[StoredCache]:
    """Caches of no artifact that a kept or new session has made or is working on."""
    caches, now = list_caches(store), uses.now(kept)

    def needed(owner: Artifact) -> bool:
        return not kept.isdisjoint(uses.of(owner)) or now.wants(owner)

    return [cache for cache in caches if not needed(Artifact(store, _CACHING, cache.owner))]
