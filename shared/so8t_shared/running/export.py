"""Export results from the store to output_base_dir; only changed files are copied."""

from __future__ import annotations

import json
from pathlib import Path

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.manifests import Manifest
from so8t_shared.files import write_atomically
from so8t_shared.sessions.session import Session
from so8t_shared.stages import BY_NAME, Export, Stage

RESULTS_FILE = "ab_test_results.json"


def results_dir(session: Session) -> Path:
    """Folder of the session's report."""
    [export] = BY_NAME["report"].exports
    return _place(export, session)


def export_outputs(stage: Stage, artifact: Artifact, manifest: Manifest, session: Session) -> None:
    """Copy a stage's exported files to output_base_dir.

    Raises:
        StorageError: output_base_dir cannot be written.
    """
    for export in stage.exports:
        source = artifact.materialize(manifest, (export.prefix,))
        for entry in manifest.files:
            if entry.path.startswith(export.prefix):
                data = (source / entry.path).read_bytes()
                if entry.path == RESULTS_FILE:  # a reused report names the session that reuses it
                    data = _with_session(data, session.session_id)
                _update(_place(export, session) / entry.path.removeprefix(export.prefix), data)


def _place(export: Export, session: Session) -> Path:
    return Path(session.config.output_base_dir) / export.place(session.config, session.session_id)


def _update(path: Path, data: bytes) -> None:
    if not path.is_file() or path.read_bytes() != data:
        write_atomically(path, data)


def _with_session(data: bytes, session_id: str) -> bytes:
    results = json.loads(data)
    results["session_id"] = session_id
    return (json.dumps(results, ensure_ascii=False, indent=2) + "\n").encode("utf-8")
