"""Export results and models from the store to output_base_dir; only changed files are copied."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.copies import Copy, NamedCopy
from so8t_shared.artifacts.manifests import FileEntry, Manifest
from so8t_shared.files import write_atomically
from so8t_shared.places import SHOWN_AS_VARIABLE, model_file, report_file
from so8t_shared.results.stamp import STAMPED_FILES, stamped
from so8t_shared.sessions.session import Session, config_digest
from so8t_shared.stages import Stage
from so8t_shared.tables import layouts

RESULTS_FILE = "ab_test_results.json"
_FROM = b"FROM ./"


def results_dir(session: Session) -> Path:
    """Folder of the session's report."""
    return report_file(session.config, session.session_id, "")


def shown_as(path: Path, session: Session) -> str:
    """A path below output_base_dir as the user sees it, which is outside the container."""
    outside = os.environ.get(SHOWN_AS_VARIABLE, "")
    inside = session.config.output_base_dir
    if not outside or not path.is_relative_to(inside):
        return str(path)
    return f"{outside.rstrip('/')}/{path.relative_to(inside).as_posix()}"


def export_outputs(
    stage: Stage, artifact: Artifact, manifest: Manifest, session: Session, check: Callable[[], None] = lambda: None
) -> None:
    """Copy a stage's exported files to output_base_dir; `check` may raise to end the copying.

    From a bucket, models are copied only by `so8t-ab export`: they can be large, and each host has its own folder.

    Raises:
        StorageError: output_base_dir cannot be written.
    """
    for export in stage.exports:
        if export.large and artifact.store.remote:
            continue
        places = {
            entry: place
            for entry in manifest.files
            if entry.path.startswith(export.prefix)
            and (place := export.place(session.config, session.session_id, entry.path.removeprefix(export.prefix)))
        }
        if not places:
            continue
        source = artifact.materialize(manifest, (export.prefix,))
        for entry, place in places.items():
            check()
            if export.large:
                _hand_over(artifact, entry, place, session, check)
            else:
                _update(place, _adapted((source / entry.path).read_bytes(), entry.path, place, session))


def _hand_over(artifact: Artifact, entry: FileEntry, place: Path, session: Session, check: Callable[[], None]) -> None:
    """Give people a copy of a model, which takes no space where the file system can share blocks.

    A link would let a write, or a chmod, through to the store's file and damage the artifact. Where each session has
    its own folder, copies are links to each other, so that a model takes space once; elsewhere they name the session.
    """
    linked = layouts.BY_NAME[session.config.output_layout].linked
    copy = Copy(artifact, entry) if linked else NamedCopy(artifact, entry, session.session_id)
    if copy.is_at(place):
        return
    if linked and (twin := next(filter(copy.is_at, _copies(session, entry.path)), None)):
        with suppress(OSError):  # no links on this disk: copy
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            os.link(twin, place)
            return
    copy.write(place, lambda _: check())


def _copies(session: Session, file: str) -> list[Path]:
    """A model's copies for all sessions."""
    base = Path(session.config.output_base_dir)
    pattern = model_file(session.config, "*", file)
    return sorted(base.glob(pattern.relative_to(base).as_posix())) if pattern else []


def _update(path: Path, data: bytes) -> None:
    if not path.is_file() or path.read_bytes() != data:
        write_atomically(path, data)


def _adapted(data: bytes, file: str, place: Path, session: Session) -> bytes:
    """The bytes as they must be at that place."""
    if file == RESULTS_FILE:  # a reused report names the session that reuses it
        return _with_session(data, session.session_id)
    if file in STAMPED_FILES:
        digest = config_digest(session.config)
        return stamped(data, session_id=session.session_id, created=session.created, config_digest=digest)
    if data.startswith(_FROM):
        return named_modelfile(_with_model(data, place, session), session.session_id)
    return data


def named_modelfile(modelfile: bytes, session_id: str) -> bytes:
    """A Modelfile whose first line names the session."""
    return f"# SO8T-AB, session {session_id}\n".encode() + modelfile


def _with_session(data: bytes, session_id: str) -> bytes:
    results = json.loads(data)
    results["session_id"] = session_id
    return (json.dumps(results, ensure_ascii=False, indent=2) + "\n").encode("utf-8")


def _with_model(modelfile: bytes, place: Path, session: Session) -> bytes:
    """A Modelfile that names its GGUF file relative to its own folder."""
    gguf, _, rest = modelfile.removeprefix(_FROM).partition(b"\n")
    model = model_file(session.config, session.session_id, gguf.decode())
    if model is None or model.parent == place.parent:
        return modelfile
    return b"FROM %s\n%s" % (Path(os.path.relpath(model, place.parent)).as_posix().encode(), rest)
