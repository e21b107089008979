"""What the tests of the shared package are made of: configurations, small stages, listings."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.attempts import Attempt
from so8t_shared.artifacts.fingerprints import Key
from so8t_shared.artifacts.manifests import Manifest
from so8t_shared.config.model import Config
from so8t_shared.interruption import StopSignal
from so8t_shared.leases.holder import Holder
from so8t_shared.leases.lease import Lease, acquire
from so8t_shared.running.context import StageFunction
from so8t_shared.running.events import Event, Listener, Listeners
from so8t_shared.running.progress import ProgressReporter
from so8t_shared.running.runner import Outcome, StageRun
from so8t_shared.sessions.session import Session
from so8t_shared.stages import Stage, stage_named
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.local import LocalStore
from so8t_shared.tables.listeners import Row

FIRST = Stage("first", "tests", 1, "makes two files", reads=("training.seed",))
SECOND = Stage("second", "tests", 1, "reads the first one", reads=("visualization.dpi",), needs={"first": ("data/",)})

SIZES = {
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "vocab_size": 8,
}
"""What config.json says of the smallest model."""

Listing = dict[str, tuple[bytes, int]]


class Events(Listeners):
    """Listeners of a stage's process, one of which keeps the events that it hears."""

    def __init__(self, *, every_s: float = 0.0) -> None:
        super().__init__("stage")
        self.logs: list[tuple[str, str]] = []
        self.states: list[tuple[str, int, int, str]] = []
        self.add(self.Keeper(self), Row("keeper", "", at=("stage",), every_s=every_s))

    class Keeper(Listener):
        def __init__(self, events: Events) -> None:
            self._events = events

        def hear(self, event: Event) -> None:
            if event.kind == "log":
                self._events.logs.append((event.level, event.message))
            else:
                self._events.states.append((event.kind, event.done, event.total, event.message))


def progress_of(
    store: ArtifactStore, session_id: str, stage: str, events: Events | None = None, fingerprint: str = ""
) -> ProgressReporter:
    """What a stage's process reports with, without the stage."""
    session = Session(session_id, make_config(Path("nowhere")), "")
    run = stage_run(stage_named(stage), session, store, listeners=events or Events())
    run.open_listeners()
    run.reporter.fingerprint = fingerprint
    return run.reporter


def make_config(root: Path, **sections: Any) -> Config:
    """A configuration whose places lie below `root`; `sections` win."""
    raw = {
        "output_base_dir": str(root / "results"),
        "checkpoint_dir": str(root / "store"),
        "model_a": {"base_model": str(root / "model")},
        "dataset": {"paths": [str(root / "rows.jsonl")]},
    }
    return Config.model_validate({**raw, **sections})


def make_model(folder: Path) -> Path:
    """A folder that looks like a checkpoint from outside: enough for digests, not for loading."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"], **SIZES}))
    (folder / "model.safetensors").write_bytes(b"weights" * 300)
    (folder / "tokenizer.json").write_text('{"added_tokens": []}')
    return folder


def make_inputs(folder: Path) -> Path:
    """A folder with a model and two rows, as `make_config` names them."""
    make_model(folder / "model")
    rows = [{"text": "Lend me a pen.", "label": "ALLOW"}, {"text": "Lend me her diary.", "label": "DENY"}]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "dataset_card.yaml").write_text("license: mit\nprovenance: a test\n")
    return folder


def stage_run(
    stage: Stage,
    session: Session,
    store: ArtifactStore,
    *,
    listeners: Listeners | None = None,
    stop: StopSignal | None = None,
    key: Key | None = None,
) -> StageRun:
    """A run of a stage with nothing but a store."""
    return StageRun(stage, session, store, listeners=listeners or Events(), stop=stop or StopSignal(), key=key)


def run_stage(
    stage: Stage, session: Session, store: ArtifactStore, function: StageFunction, *, patience_s: float = 0.0
) -> Outcome:
    """Run a stage with that function to its end."""
    return stage_run(stage, session, store).run(lambda: function, patience_s=patience_s)


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """Fill a folder."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


class RemoteStore(LocalStore):
    """As a store on another host: its objects are no files here, so they must be downloaded."""

    @property
    def local_root(self) -> Path:
        return super().local_root / "of-this-host"

    def local_path(self, key: str) -> None:
        return None


def commit(store: ArtifactStore, folder: Path, files: dict[str, bytes], *, stage: str = "train") -> Artifact:
    """A committed artifact with those files."""
    artifact = Artifact(store, stage, "f" * 64)
    with held(store, artifact.lease_key) as lease:
        Attempt.begin(artifact).commit(write(folder, files), {"stage": stage}, lease)
    return artifact


def manifest_of(artifact: Artifact) -> Manifest:
    """The manifest, which must be there."""
    manifest = artifact.manifest()
    assert manifest is not None
    return manifest


def key_of(artifact: Artifact, path: str) -> str:
    """Key of a committed file."""
    [entry] = [entry for entry in manifest_of(artifact).files if entry.path == path]
    return artifact.key_of(entry)


@contextlib.contextmanager
def held(store: ArtifactStore, key: str, ttl_s: float = 30.0) -> Iterator[Lease]:
    """A lease for the length of a block."""
    lease = acquire(store, key, ttl_s=ttl_s, poll_s=0.01)
    try:
        yield lease
    finally:
        lease.stop()


def lease_record(store: ArtifactStore, key: str) -> Holder:
    """The lease as it stands in the store."""
    return Holder.from_bytes(store.get_bytes(key) or b"", key)


def put_lease(store: ArtifactStore, key: str, **changes: Any) -> Holder:
    """Put the lease of a process that this host can neither look up nor see the lifeline of."""
    values = {"owner": "other", "host": "elsewhere", "domain": "elsewhere", "pid": 1, "started": 1.0, "ttl_s": 0.6}
    record = Holder.model_validate({**values, "heartbeat": "2001-01-01T00:00:00+00:00", **changes})
    store.put_bytes(key, record.to_bytes())
    return record


def steal(store: ArtifactStore, key: str) -> str:
    """Take a lease over as another host would; the thief's etag."""
    current = store.read_versioned(key)
    assert current is not None
    holder = Holder.from_bytes(current[0], key)
    thief = holder.model_copy(update={"owner": "thief", "host": "other", "domain": "other"})
    etag = store.compare_and_put(key, thief.to_bytes(), current[1])
    assert etag is not None
    return etag


def spoil(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change a stored file behind the store's back, read-only or not."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(change(data))


def listing(root: Path, *, without: tuple[str, ...] = (".local/",)) -> Listing:
    """Every file below a folder, with its bytes and its modification time."""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            relative = path.relative_to(root).as_posix()
            if not relative.startswith(without):
                found[relative] = (path.read_bytes(), path.stat().st_mtime_ns)
    return found
