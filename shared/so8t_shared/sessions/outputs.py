"""Files that a session's finished stages left in the store."""

from __future__ import annotations

from pathlib import Path

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.store.base import ArtifactStore


def output_of(store: ArtifactStore, session_id: str, stage: str, file: str) -> Path | None:
    """A verified local folder with one file of a finished stage; None if it is not in the store.

    Raises:
        IntegrityError: the file is missing or altered.
    """
    completed = StageMarkers(store, session_id, stage).completed()
    artifact = Artifact(store, stage, completed.fingerprint) if completed else None
    manifest = artifact.manifest() if artifact else None
    return artifact.materialize(manifest, (file,)) if artifact and manifest else None
