"""A store with a finished, a running, a failed and a hostile session, and a dashboard that serves it."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from tests.servers.needed import free_port
from tests.unit.reporter.builders import Scenario
from tests.unit.reporter.builders_upstream import training_points, write_folders
from tests.unit.reporter.hostile import HOSTILE
from tests.unit.reporter.pipeline import Pipeline, leaves, prepared
from tests.unit.reporter.rendering import NAMES, SMALL, read

from so8t_dashboard.app import create_app
from so8t_dashboard.guarding import Access
from so8t_dashboard.service import Service
from so8t_dashboard.serving import settings
from so8t_reporter.assembly import assemble_report
from so8t_reporter.document import Picture
from so8t_reporter.explorer import render_explorer
from so8t_reporter.html import render_html
from so8t_reporter.inputs import ReportSettings
from so8t_shared.config.model import Config
from so8t_shared.errors import InputError
from so8t_shared.interruption import StopSignal
from so8t_shared.labels import LABELS
from so8t_shared.leases.holder import Claim
from so8t_shared.punctual import RECEIVE_S
from so8t_shared.results.interval import Interval
from so8t_shared.results.live import Live, LiveCell, live_point
from so8t_shared.results.stamp import SESSION
from so8t_shared.running.events import Listeners
from so8t_shared.running.runner import StageRun
from so8t_shared.sessions.markers import ProgressRecord, StageMarkers
from so8t_shared.sessions.session import Session, open_session
from so8t_shared.stages import stage_named
from so8t_shared.store.base import ArtifactStore
from so8t_shared.studies.record import RecordedArm, RecordedMember, StudyRecord, study_key

FINISHED, SECOND, RUNNING, FAILED = "20261120_090000", "20261121_090000", "20261123_101500", "20261122_180000"
SPITEFUL = "20261124'&amp;b=%2e%23"
"""A session name that no configuration gives, but a bucket may hold."""
JAPANESE = "学習データの一部に長い行がありました：応答の途中で切り詰められた可能性があります。"
FINGERPRINT = "f" * 64
_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_PICTURE = Picture("metrics_comparison", "main", "caption", "alt", "main.png", "image/png", _PIXEL, _PIXEL, 1, 1)


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="seconds")


def fill(root: Path) -> Pipeline:
    """A folder store with two finished sessions, by the real runner; the report has no pictures, which take seconds."""
    support = dict.fromkeys(LABELS, 30)
    scenario = Scenario(
        support=support, quantizations=("q8_0", "q4_k_m"), scorings=("logprob",), control=False, baseline=False,
        measured=True,
    )  # fmt: skip
    pipeline = prepared(root, write_folders(root / "upstream", scenario))
    reports = root / "reports"
    reports.mkdir()
    inputs = read(pipeline.folders)
    settings = ReportSettings(SESSION, NAMES, SMALL, models="models")
    (reports / "report.html").write_text(render_html(assemble_report(inputs, settings, {"main": _PICTURE})), "utf-8")
    (reports / "explorer.html").write_text(render_explorer(inputs, NAMES), "utf-8")
    (reports / "answers.csv").write_text("id\n")
    pipeline.run(pipeline.config(session_id_format=FINISHED), leaves(reports))
    weaker = Pipeline(root, write_folders(root / "upstream-2", replace(scenario, skill_b=0.75)))
    config = weaker.config(session_id_format=SECOND, training={"seed": 43, "learning_rate": 1e-4}, ab_test={"seed": 8})
    weaker.run(config, leaves(weaker.folders.imported))
    return pipeline


def run_training(store: ArtifactStore, config: Config) -> Claim:
    """A session that trains, on attempt 2, by a process that is alive as long as the claim is."""
    session = open_session(store, config)
    finish(store, session, "convert-a")
    claim = Claim(store, 60.0)
    store.put_bytes(f"artifacts/train/{FINGERPRINT}/lease.json", claim.to_bytes())
    markers = StageMarkers(store, session.session_id, "train")
    markers.write_progress(progress("train", done=34, total=60, message="loss 0.812, decision 0.61"))
    points = [live_point(point, 5_200_000_000) for point in training_points(60)[:34]]
    store.put_bytes(f"{markers.prefix}/live.json", Live(steps=60, points=points).to_bytes())
    log(store, session, "train", [("INFO", "lora on cpu in bfloat16"), ("WARNING", JAPANESE), ("DEBUG", "a detail")])
    return claim


def study(store: ArtifactStore) -> None:
    """A study of two finished and one running session, and of one that has not begun; an arm's text is hostile."""
    members = [("lora", 1, FINISHED), ("lora", 2, RUNNING), ("so8t", 1, SECOND), ("so8t", 2, "later")]
    record = StudyRecord(
        name="gates",
        created=ago(0),
        arms=[RecordedArm(name="lora", description=HOSTILE[0]), RecordedArm(name="so8t")],
        seeds=[1, 2],
        members=[RecordedMember(arm=arm, seed=seed, session_id=session) for arm, seed, session in members],
    )
    store.put_bytes(study_key("gates"), record.to_bytes())


def ask(store: ArtifactStore, session_id: str, done: int = 120) -> None:
    """Let the evaluation of a session have asked some rows."""
    cells = [
        LiveCell(
            model=side, quantization="q4_k_m", scoring="logprob", invalid=0,
            right=Interval(value=value, low=value - 0.1, high=value + 0.08, rows=done // 2),
        )
        for side, value in (("a", 0.4), ("b", 0.85))
    ]  # fmt: skip
    prefix = StageMarkers(store, session_id, "evaluate").prefix
    store.put_bytes(f"{prefix}/live.json", Live(rows=320, cells=cells).to_bytes())


def progress(stage: str, *, done: int, total: int, message: str, seconds: float = 0) -> ProgressRecord:
    return ProgressRecord(
        stage=stage, attempt=2, fingerprint=FINGERPRINT, state="running", done=done, total=total, message=message,
        started=ago(400), time=ago(seconds), host="gpu-box", pid=1,
    )  # fmt: skip


def finish(store: ArtifactStore, session: Session, stage: str, **files: bytes) -> None:
    """Finish a stage that leaves one small file and the given ones."""

    def work(ctx: Any) -> None:
        (ctx.output_dir / "conversion.json").write_text("{}")
        for name, data in files.items():
            (ctx.output_dir / name).write_bytes(data)

    run = StageRun(stage_named(stage), session, store, listeners=Listeners("child"), stop=StopSignal())
    run.run(lambda: work)


def fail(store: ArtifactStore, config: Config, *, what: str = "The model is cut.") -> Session:
    """A session whose training failed."""
    session = open_session(store, config)
    error = InputError(what, where="model.safetensors", remedy="fetch it again")
    StageMarkers(store, session.session_id, "train").fail(error, 1)
    log(store, session, "train", [("INFO", "reading"), ("ERROR", what)])
    return session


def log(store: ArtifactStore, session: Session, stage: str, lines: Sequence[tuple[str, str]]) -> None:
    """Write a stage's log."""
    text = "".join(
        json.dumps({"attempt": 1, "time": ago(60 - i), "level": level, "message": message}, ensure_ascii=False) + "\n"
        for i, (level, message) in enumerate(lines)
    )
    store.put_bytes(f"{StageMarkers(store, session.session_id, stage).prefix}/log.jsonl", text.encode())


def spite(store: ArtifactStore, session: Session) -> None:
    """A session with another one's record, whose name, models, host, log lines and failure are hostile."""
    record = json.loads(store.get_bytes(f"sessions/{session.session_id}/session.json") or b"")
    record["config"]["ollama"] = {"model_a_name": HOSTILE[0], "model_b_name": HOSTILE[1]}
    record["config"]["notes"] = HOSTILE[5]
    record |= {"host": HOSTILE[5], "session_id": HOSTILE[0], "created": ago(0)}
    store.put_bytes(f"sessions/{SPITEFUL}/session.json", json.dumps(record).encode())
    named = Session(SPITEFUL, session.config, record["created"])
    StageMarkers(store, SPITEFUL, "train").fail(InputError(HOSTILE[0], where=HOSTILE[1], remedy=HOSTILE[5]), 1)
    log(store, named, "train", [("<b>", HOSTILE[0]), ("WARNING", HOSTILE[1]), ("ERROR", HOSTILE[5] * 3)])


@dataclass(frozen=True)
class Served:
    """A dashboard that is being served."""

    url: str
    service: Service

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(self.url + path, headers=headers, timeout=20)

    def wait(self, what: Any, timeout_s: float = 20) -> None:
        """Wait until `what(state)` holds."""
        until = time.monotonic() + timeout_s
        while not what(self.service.state):
            assert time.monotonic() < until, "it never came"
            time.sleep(0.02)


@contextmanager
def serving(
    store: ArtifactStore,
    config: Config,
    *,
    token: str = "",
    names: Sequence[str] = (),
    following: int = 256,
    receive_s: float = RECEIVE_S,
) -> Iterator[Served]:
    """Serve a store's dashboard on this host, with the settings of the command."""
    service, port = Service(store, config), free_port()
    app = create_app(service, Access(token), names, following)
    server, listener = uvicorn.Server(settings(app, receive_s)), socket.create_server(("127.0.0.1", port))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    served = Served(f"http://127.0.0.1:{port}", service)
    served.wait(lambda state: state.read_at)
    try:
        yield served
    finally:
        server.should_exit = True
        thread.join(timeout=20)
