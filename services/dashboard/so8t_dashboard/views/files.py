"""The files that a session's finished stages have left."""

from __future__ import annotations

from dataclasses import dataclass

from so8t_dashboard.reading.committed import manifest_of
from so8t_dashboard.reading.state import State
from so8t_dashboard.views.records import SessionView
from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.manifests import FileEntry


@dataclass(frozen=True)
class ArtifactView:
    """A finished stage's artifact."""

    stage: str
    fingerprint: str
    reused: bool
    created: str
    host: str
    size_bytes: int
    files: list[FileEntry]


def artifacts(state: State, view: SessionView) -> list[ArtifactView]:
    """Artifacts of the finished stages whose manifests are known, in the pipeline's order."""
    found = []
    for stage in view.stages:
        manifest = manifest_of(state.store, stage.completed) if stage.completed else None
        if stage.completed and manifest:
            files = sorted(manifest.files, key=lambda entry: entry.path)
            made = (manifest.created, manifest.host, manifest.size_bytes, files)
            found.append(ArtifactView(stage.name, stage.completed.fingerprint, stage.completed.reused, *made))
    return found


def find_file(state: State, view: SessionView, stage: str, path: str) -> tuple[Artifact, FileEntry] | None:
    """The entry with exactly that path in a finished stage's manifest, and its artifact; None for any other path."""
    marker = next((s.completed for s in view.stages if s.name == stage), None)
    manifest = manifest_of(state.store, marker) if marker else None
    entry = next((entry for entry in manifest.files if entry.path == path), None) if manifest else None
    return (Artifact(state.store, stage, marker.fingerprint), entry) if marker and entry else None
