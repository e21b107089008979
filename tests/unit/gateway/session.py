"""A tested session in a local store, as the pipeline leaves it: model B, how it was trained, its test."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.tiny_guard import DECISIONS, answer_to

from so8t_converter.convert import Conversion, convert
from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.attempts import Attempt
from so8t_shared.artifacts.checkpoints import Checkpoints
from so8t_shared.artifacts.manifests import FileEntry, Manifest
from so8t_shared.config.model import Config
from so8t_shared.json_files import write_json
from so8t_shared.results.policy import POLICY_FILE, Policy, QuantizationPolicy
from so8t_shared.results.training import Targets
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import Session, open_session
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.local import LocalStore
from so8t_shared.store.open import open_store

QUANTIZATION = "q8_0"


@dataclass(frozen=True)
class Prepared:
    """A folder with a store and its configuration."""

    root: Path
    sections: dict[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> Config:
        """The configuration."""
        raw = {
            "output_base_dir": str(self.root / "results"),
            "checkpoint_dir": str(self.root / "store"),
            "model_a": {"base_model": str(self.root / "model")},
            "dataset": {"paths": [str(self.root / "rows.jsonl")]},
            "gguf": {"quantizations": [QUANTIZATION]},
        }
        return Config.model_validate({**raw, **self.sections})

    @property
    def store(self) -> ArtifactStore:
        """The store."""
        return open_store(self.config)


def convert_guard(checkpoint: Path, root: Path) -> Path:
    """The folder that convert-b leaves for a checkpoint."""
    for name in ("output", "scratch"):
        (root / name).mkdir(parents=True)
    attempt = Attempt.begin(Artifact(LocalStore(root / "kept"), "convert-b", "0" * 64))
    convert(Conversion(checkpoint, "model_b", (QUANTIZATION,)), root / "output", root / "scratch", Checkpoints(attempt))
    return root / "output"


def hand_over(
    tested: Prepared, converted: Path, *, new: bool = False, policy: QuantizationPolicy | None = None
) -> Session:
    """Write the finished stages of a session that offers the converted model."""
    session = open_session(tested.store, tested.config, new=new)
    scratch = tested.root / f"handed-{session.session_id}"
    (scratch / "splits").mkdir(parents=True)
    longest = max(len(answer_to(text)) for text in DECISIONS)
    write_json(scratch / "splits" / "targets.json", Targets(longest_tokens=longest, thinking=True))
    _finish(tested.store, session, "train", scratch)
    _finish(tested.store, session, "convert-b", converted)
    concluded = tested.root / f"concluded-{session.session_id}"
    concluded.mkdir()
    (concluded / "evaluation.json").write_text("{}")
    if policy:
        write_json(concluded / POLICY_FILE, Policy(quantizations=[policy]))
    _finish(tested.store, session, "conclude", concluded)
    return session


def _finish(store: ArtifactStore, session: Session, stage: str, folder: Path) -> None:
    artifact = Artifact(store, stage, hashlib.sha256(f"{session.session_id} {stage}".encode()).hexdigest())
    entries = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name, data = path.relative_to(folder).as_posix(), path.read_bytes()
        store.put_bytes(f"{artifact.prefix}/files/{name}", data)
        entries.append(FileEntry(path=name, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest()))
    manifest = Manifest(files=tuple(entries))
    artifact.publish(manifest)
    StageMarkers(store, session.session_id, stage).complete(
        artifact.fingerprint, manifest.content_digest(), reused=False, started="2026-01-01T00:00:00+00:00"
    )
