"""Which artifacts there are, who uses them, and removing those that nobody needs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from so8t_shared.artifacts import Artifact
from so8t_shared.errors import IntegrityError, LeaseLost, NewerFormat
from so8t_shared.lease_record import Sight, Watch
from so8t_shared.leases import seize
from so8t_shared.manifests import Manifest
from so8t_shared.markers import StageMarkers
from so8t_shared.sessions import session_ids
from so8t_shared.stages import STAGES
from so8t_shared.store.base import ArtifactStore


@dataclass(frozen=True)
class StoredArtifact:
    """An artifact in the store; without a manifest it is incomplete."""

    artifact: Artifact
    manifest: Manifest | None
    size_bytes: int
    sessions: list[str]


def list_artifacts(store: ArtifactStore) -> list[StoredArtifact]:
    """All artifacts, in pipeline order, then by age."""
    users = _users(store, session_ids(store))
    found = []
    for stage in STAGES:
        sizes: dict[str, int] = {}
        for key in store.list(f"artifacts/{stage.name}"):
            stat = store.stat(key)
            name = key.split("/")[2]
            sizes[name] = sizes.get(name, 0) + (stat.size_bytes if stat else 0)
        items = [
            _stored(Artifact(store, stage.name, name), size, users.get((stage.name, name), []))
            for name, size in sizes.items()
        ]
        found += sorted(items, key=lambda item: item.manifest.created if item.manifest else "")
    return found


def collect(
    store: ArtifactStore,
    *,
    keep_sessions: int,
    delete: bool,
    on_wait: Callable[[int], None] = lambda leases: None,
    poll_s: float = 1.0,
) -> list[StoredArtifact]:
    """Artifacts that none of the newest `keep_sessions` sessions uses; removed if `delete`.

    One that a process is working on stays: a lease that was not given back is watched for its time to live (a minute),
    all such at once, unless its holder is seen to be alive or gone before. `on_wait` is told how many there are.
    Deleting is done under the lease; what a session has begun to use meanwhile stays, too.
    """
    kept = session_ids(store)[-keep_sessions:]
    unused = [item for item in list_artifacts(store) if not set(item.sessions) & set(kept)]
    watches = [Watch(store, item.artifact.lease_key) for item in unused]
    free = _free(watches, on_wait, poll_s)
    doomed = [(item, watch) for item, watch in zip(unused, watches, strict=True) if watch.key in free]
    return [item for item, watch in doomed if not delete or _delete(item, watch, keep_sessions)]


def _free(watches: list[Watch], on_wait: Callable[[int], None], poll_s: float) -> set[str]:
    """Keys of the leases that nobody holds, after watching long enough to know of each."""
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
    """What the lease shows; None for a newer program's, which is left alone."""
    try:
        return watch.look()
    except NewerFormat:
        return None


def _delete(item: StoredArtifact, watch: Watch, keep_sessions: int) -> bool:
    """Delete an artifact under its lease unless somebody works on it or a kept session uses it; whether it is gone.

    The manifest goes first, and comes back where a session turns out to have reused the artifact a moment before;
    one that comes later finds no manifest (see StageRun), and waits for the lease.
    """
    artifact, lease = item.artifact, seize(watch)
    if lease is None:
        return False
    try:
        manifest = artifact.store.get_bytes(artifact.manifest_key)
        if _is_used(artifact, keep_sessions):
            return False
        lease.confirm()
        artifact.store.delete(artifact.manifest_key)
        if _is_used(artifact, keep_sessions):
            if manifest is not None:
                artifact.store.put_if_absent(artifact.manifest_key, manifest)
            return False
        for key in list(artifact.store.list(artifact.prefix)):
            if key != artifact.lease_key:
                lease.check()
                artifact.store.delete(key)
        lease.discard()
    except LeaseLost:
        return False
    finally:
        lease.stop()
    return True


def _is_used(artifact: Artifact, keep_sessions: int) -> bool:
    kept = session_ids(artifact.store)[-keep_sessions:]
    return any(artifact.fingerprint in _used_by(artifact.store, name, artifact.stage) for name in kept)


def _used_by(store: ArtifactStore, session_id: str, stage: str) -> set[str]:
    """Fingerprints of what a session has made of a stage, or worked on and can resume."""
    markers = StageMarkers(store, session_id, stage)
    return {record.fingerprint for record in (markers.completed(), markers.progress()) if record} - {""}


def _users(store: ArtifactStore, sessions: list[str]) -> dict[tuple[str, str], list[str]]:
    users: dict[tuple[str, str], list[str]] = {}
    for session_id in sessions:
        for stage in STAGES:
            for fingerprint in _used_by(store, session_id, stage.name):
                users.setdefault((stage.name, fingerprint), []).append(session_id)
    return users


def _stored(artifact: Artifact, size_bytes: int, sessions: list[str]) -> StoredArtifact:
    try:
        manifest = artifact.manifest()
    except IntegrityError:
        manifest = None
    return StoredArtifact(artifact, manifest, size_bytes, sessions)
