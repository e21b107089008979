"""Results for people: copied from the store to output_base_dir, only where they differ."""

from __future__ import annotations

import json
from pathlib import Path

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.manifests import Manifest
from so8t_shared.files import write_atomically
from so8t_shared.sessions.session import Session

RESULTS_FILE = "ab_test_results.json"


def results_dir(session: Session) -> Path:
    """Folder of a session's report."""
    return Path(session.config.output_base_dir) / "ab_test_results" / f"complete_so8t_ab_test_{session.session_id}"


def export_outputs(artifact: Artifact, manifest: Manifest, session: Session) -> None:
    """Copy what a stage made for people; stages without such files do nothing.

    Raises:
        StorageError: output_base_dir cannot be written.
    """
    if artifact.stage == "report":
        _export(artifact, manifest, ("",), results_dir(session), session.session_id)
    elif artifact.stage == "import":
        target = Path(session.config.output_base_dir) / session.config.ollama.modelfile_dir
        _export(artifact, manifest, ("modelfiles/",), target, session.session_id)


def _export(artifact: Artifact, manifest: Manifest, prefixes: tuple[str, ...], target: Path, session_id: str) -> None:
    source = artifact.materialise(manifest, prefixes)
    for entry in manifest.files:
        if entry.path.startswith(prefixes):
            data = (source / entry.path).read_bytes()
            if entry.path == RESULTS_FILE:  # a report reused by another session speaks for that one
                data = _with_session(data, session_id)
            name = entry.path.removeprefix("modelfiles/")
            if not (target / name).is_file() or (target / name).read_bytes() != data:
                write_atomically(target / name, data)


def _with_session(data: bytes, session_id: str) -> bytes:
    results = json.loads(data)
    results["session_id"] = session_id
    return (json.dumps(results, ensure_ascii=False, indent=2) + "\n").encode("utf-8")
