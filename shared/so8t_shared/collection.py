"""Which artifacts there are, who uses them, and removing those that nobody needs."""

from __future__ import annotations

from dataclasses import dataclass

from so8t_shared.artifacts import Artifact
from so8t_shared.errors import IntegrityError, NewerFormat
from so8t_shared.lease_record import LeaseRecord
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


def collect(store: ArtifactStore, *, keep_sessions: int, delete: bool) -> list[StoredArtifact]:
    """Artifacts that none of the newest `keep_sessions` sessions uses; removed if `delete`.

    One that a process is working on (a lease that was not given back by a living holder) stays.
    """
    kept = session_ids(store)[-keep_sessions:]
    doomed = [i for i in list_artifacts(store) if not set(i.sessions) & set(kept) and not _in_work(store, i.artifact)]
    if delete:
        for item in doomed:
            item.artifact.delete()
    return doomed


def _users(store: ArtifactStore, sessions: list[str]) -> dict[tuple[str, str], list[str]]:
    users: dict[tuple[str, str], list[str]] = {}
    for session_id in sessions:
        for stage in STAGES:
            markers = StageMarkers(store, session_id, stage.name)
            used = {record.fingerprint for record in (markers.completed(), markers.progress()) if record}
            for fingerprint in used - {""}:  # progress speaks of work that was interrupted and can be resumed
                users.setdefault((stage.name, fingerprint), []).append(session_id)
    return users


def _stored(artifact: Artifact, size_bytes: int, sessions: list[str]) -> StoredArtifact:
    try:
        manifest = artifact.manifest()
    except IntegrityError:
        manifest = None
    return StoredArtifact(artifact, manifest, size_bytes, sessions)


def _in_work(store: ArtifactStore, artifact: Artifact) -> bool:
    data = store.get_bytes(artifact.lease_key)
    try:
        return data is not None and not LeaseRecord.from_bytes(data, artifact.lease_key).is_left(store.local_root)
    except NewerFormat:
        return True
    except IntegrityError:
        return False
