"""List artifacts and their users, and remove artifacts that are no longer needed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.manifests import Manifest
from so8t_shared.artifacts.shared_output import forget_shared
from so8t_shared.errors import IntegrityError, NewerFormat
from so8t_shared.leases.holder import Sight, Watch
from so8t_shared.leases.lease import seize
from so8t_shared.sessions.cached import StoredCache, unneeded
from so8t_shared.sessions.deletion import delete_unwanted
from so8t_shared.sessions.uses import Uses
from so8t_shared.stages import STAGES
from so8t_shared.store.base import ArtifactStore


@dataclass(frozen=True)
class StoredArtifact:
    """An artifact in the store; without a manifest it is incomplete."""

    artifact: Artifact
    manifest: Manifest | None
    size_bytes: int
    sessions: list[str]
    left_bytes: int = 0
    """Size of attempts' leftovers that the manifest does not name; 0 without a manifest."""


@dataclass(frozen=True)
class Collected:
    """What `collect` has removed, or would remove."""

    artifacts: list[StoredArtifact]
    swept: list[StoredArtifact]
    """Artifacts that are kept, without attempts' leftovers."""
    caches: list[StoredCache]


def list_artifacts(store: ArtifactStore, uses: Uses | None = None) -> list[StoredArtifact]:
    """All artifacts in pipeline order, then by age; users come from `uses`, or are read now."""
    uses = uses or Uses(store)
    found = []
    for stage in STAGES:
        sizes: dict[str, dict[str, int]] = {}
        for key, stat in store.listing(f"artifacts/{stage.name}"):
            name, below = key.split("/", 3)[2:]
            sizes.setdefault(name, {})[below] = stat.size_bytes
        items = [_stored(Artifact(store, stage.name, name), each, uses) for name, each in sizes.items()]
        found += sorted(items, key=lambda item: item.manifest.created if item.manifest else "")
    return found


def collect(
    store: ArtifactStore,
    *,
    keep_sessions: int,
    delete: bool,
    on_wait: Callable[[int], None] = lambda leases: None,
    on_unreadable: Callable[[str, IntegrityError], None] = lambda session_id, fault: None,
    poll_s: float = 1.0,
) -> Collected:
    """Artifacts and caches that no kept session uses, and attempts' leftovers in other artifacts; removed if `delete`.

    Kept sessions are the newest `keep_sessions`, every session that a process is working for, however old, and every
    session with an unreadable record (each is reported to `on_unreadable`). A process is working for a session while it
    holds the lease of an artifact that the session uses; such an artifact is also kept. All leases that were not
    released are watched together for their time to live (a minute), unless a holder is found to be alive or gone
    earlier; `on_wait` receives their number. Artifacts are deleted under their lease; one that a session has started to
    use in the meantime is kept.

    Raises:
        NewerFormat: there is a session of a newer program, whose needs are unknown; nothing was deleted.
    """
    uses = Uses(store)
    _tell_faults(uses, on_unreadable)
    kept = uses.newest(keep_sessions)
    items = list_artifacts(store, uses)
    doubtful = [item for item in items if item.left_bytes or not _all_in(item.sessions, kept)]
    watched = [(item, Watch(store, item.artifact.lease_key)) for item in doubtful]
    free = _free([watch for _, watch in watched], on_wait, poll_s)
    kept |= {name for item, watch in watched if watch.key not in free for name in item.sessions}
    idle = [(item, watch) for item, watch in watched if watch.key in free]
    doomed = [(item, watch) for item, watch in idle if kept.isdisjoint(item.sessions)]
    left = [(item, watch) for item, watch in idle if item.left_bytes and not kept.isdisjoint(item.sessions)]
    by_user = sorted(doomed, key=lambda pair: pair[0].sessions)  # a batch reads the sessions that its artifacts share
    deleted = delete_unwanted([(item.artifact, watch) for item, watch in by_user], uses, kept) if delete else set()
    gone = [item for item, _ in doomed if not delete or item.artifact.prefix in deleted]
    swept = [item for item, watch in left if not delete or _sweep(item, watch)]
    caches = unneeded(store, uses, kept)
    for key in (key for cache in caches if delete for key in cache.keys):
        store.delete(key)
    if delete:
        forget_shared(store)
    return Collected(gone, swept, caches)


def _tell_faults(uses: Uses, tell: Callable[[str, IntegrityError], None]) -> None:
    for name, use in uses.sessions.items():
        if isinstance(use.fault, NewerFormat):
            raise use.fault
        if use.fault:
            tell(name, use.fault)


def _all_in(sessions: list[str], kept: set[str]) -> bool:
    """Whether an artifact has sessions and all of them are kept."""
    return bool(sessions) and kept.issuperset(sessions)


def _free(watches: list[Watch], on_wait: Callable[[int], None], poll_s: float) -> set[str]:
    """Keys of the leases that no process holds, after watching long enough to be sure."""
    free: set[str] = set()
    unknown, told = list(watches), False
    while True:
        sights = [(watch, _look(watch)) for watch in unknown]
        free |= {watch.key for watch, sight in sights if sight and sight.free}
        unknown = [watch for watch, sight in sights if sight and not sight.free and not sight.heard]
        if not unknown:
            return free
        if not told:
            on_wait(len(unknown))
            told = True
        time.sleep(poll_s)


def _look(watch: Watch) -> Sight | None:
    """The state of the lease; None for a newer program's lease, which is left alone."""
    try:
        return watch.look()
    except NewerFormat:
        return None


def _sweep(item: StoredArtifact, watch: Watch) -> bool:
    """Remove attempts' leftovers under the artifact's lease; return whether the lease was free."""
    lease = seize(watch)
    if lease is None:
        return False
    try:
        item.artifact.sweep(lease)
    finally:
        lease.stop()
    return True


def _stored(artifact: Artifact, sizes: dict[str, int], uses: Uses) -> StoredArtifact:
    try:
        manifest = artifact.manifest()
    except (IntegrityError, NewerFormat):
        manifest = None
    left = artifact.unnamed(manifest, sizes) if manifest else []
    total = sum(sizes.values())
    return StoredArtifact(artifact, manifest, total, uses.of(artifact), sum(sizes[key] for key in left))
