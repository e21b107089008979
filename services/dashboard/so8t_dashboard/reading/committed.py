"""Small files of committed artifacts, each read once: manifests, results, the course of training."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from so8t_dashboard.reading.figures import Figures, figures_of
from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.manifests import FileEntry, Manifest
from so8t_shared.errors import IntegrityError, NewerFormat
from so8t_shared.results.evaluation import EVALUATION_FILE
from so8t_shared.sessions.markers import Completed, StageMarkers
from so8t_shared.stages import BY_NAME
from so8t_shared.store.base import ArtifactStore

METRICS_FILE = "metrics.jsonl"
_SHOWN = {"conclude": EVALUATION_FILE, "train": METRICS_FILE}


class Committed:
    """Bytes by key; of results only the figures are kept."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self.objects: dict[str, bytes] = {}
        self.figures: dict[str, Figures] = {}
        """By the fingerprint of the conclude stage."""

    def read(self, wanted: Iterable[tuple[str, str]], most: int) -> int:
        """Read at most `most` of the keys, given with their sha256 if it is known; return how many were missing."""
        missing = {key: sha256 for key, sha256 in wanted if key not in self.objects}
        for key, sha256 in list(missing.items())[:most]:
            data = self._store.get_bytes(key) or b""
            right = not sha256 or hashlib.sha256(data).hexdigest() == sha256
            stage, fingerprint = key.split("/")[1:3]
            if stage == "conclude" and sha256:
                self.figures[fingerprint] = (
                    figures_of(data, key) if right else Figures(fault="The results are damaged.")
                )
                right = False
            self.objects[key] = data if right else b""
        return len(missing)

    def forget(self, key: str, marker: bytes) -> None:
        """A stage has been completed anew: its artifact may have been made again."""
        try:
            completed = Completed.from_bytes(marker, key)
        except (IntegrityError, NewerFormat):
            return
        prefix = Artifact(self._store, completed.stage, completed.fingerprint).prefix
        for known in [known for known in self.objects if known.startswith(f"{prefix}/")]:
            del self.objects[known]


def wanted_of(store: ArtifactStore, session_id: str, *, whole: bool) -> Iterator[tuple[str, str]]:
    """Keys of what a session's finished stages have left, each with its sha256 if known: results, or all (`whole`)."""
    for stage in BY_NAME if whole else ("conclude",):
        marker = StageMarkers(store, session_id, stage).completed()
        if marker is None:
            continue
        artifact = Artifact(store, stage, marker.fingerprint)
        yield artifact.manifest_key, ""
        found = file_of(store, marker, _SHOWN[stage]) if stage in _SHOWN else None
        if found:
            yield found


def file_of(store: ArtifactStore, marker: Completed, path: str) -> tuple[str, str] | None:
    """Key and sha256 of one file of a finished stage; None while its manifest is not known or does not name it."""
    artifact = Artifact(store, marker.stage, marker.fingerprint)
    entry = next((entry for entry in entries_of(store, marker) if entry.path == path), None)
    return (artifact.key_of(entry), entry.sha256) if entry else None


def entries_of(store: ArtifactStore, marker: Completed) -> tuple[FileEntry, ...]:
    """The files of a finished stage; none while its manifest is not known, or if it cannot be read."""
    manifest = manifest_of(store, marker)
    return manifest.files if manifest else ()


def manifest_of(store: ArtifactStore, marker: Completed) -> Manifest | None:
    """The manifest of a finished stage; None while it is not known, or if it cannot be read."""
    artifact = Artifact(store, marker.stage, marker.fingerprint)
    try:
        return artifact.manifest() if store.get_bytes(artifact.manifest_key) else None
    except (IntegrityError, NewerFormat):
        return None
