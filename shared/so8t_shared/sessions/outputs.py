"""What a session's finished stages left in the store."""

from __future__ import annotations

from pathlib import Path

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.manifests import Manifest
from so8t_shared.errors import UpstreamError
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.store.base import ArtifactStore


def _finished(store: ArtifactStore, session_id: str, stage: str) -> tuple[Artifact, Manifest] | None:
    """The artifact of a finished stage; None if it is not in the store."""
    completed = StageMarkers(store, session_id, stage).completed()
    artifact = Artifact(store, stage, completed.fingerprint) if completed else None
    manifest = artifact.manifest() if artifact else None
    return (artifact, manifest) if artifact and manifest else None


def demand_output(store: ArtifactStore, session_id: str, stage: str) -> tuple[Artifact, Manifest]:
    """The artifact of a finished stage.

    Raises:
        UpstreamError: it is not in the store.
    """
    found = _finished(store, session_id, stage)
    if found is None:
        raise UpstreamError(
            f"The session has no output of {stage}: it never finished, or gc has deleted it.",
            where=f"session {session_id} in {store.location}",
            remedy="make it with 'so8t-ab run'",
        )
    return found


def output_of(store: ArtifactStore, session_id: str, stage: str, file: str) -> Path | None:
    """A verified local folder with one file of a finished stage; None if it is not in the store.

    Raises:
        IntegrityError: the file is missing or altered.
    """
    found = _finished(store, session_id, stage)
    if found is None:
        return None
    artifact, manifest = found
    return artifact.materialize(manifest, (file,))
