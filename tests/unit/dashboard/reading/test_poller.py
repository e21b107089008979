"""How often a store is asked, however many watch, and what happens while it is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from tests.servers.minio_server import MinioServer, running_minio
from tests.unit.dashboard.material import RUNNING, fail, progress, run_training, serving
from tests.unit.shared.material import make_config, make_inputs

from so8t_dashboard.reading.poller import Poller
from so8t_dashboard.reading.read_only import LISTS_PER_S, READS_PER_S, ReadOnlyStore
from so8t_shared.config.model import Config
from so8t_shared.errors import StorageError
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.local import LocalStore
from so8t_shared.store.open import open_store
from so8t_shared.store.testing.faulty import FaultyStore

WATCHERS = 20
WRITES = ("put_*", "compare_and_put", "delete")
READS = ("get_*", "stat", "read_versioned", "checksum")


def _config(root: Path, **sections: object) -> Config:
    return make_config(root, session_id_format=RUNNING, **sections)


def test_however_many_watch(tmp_path: Path, minio: MinioServer) -> None:
    """Twenty readers of a busy session in a bucket cost a listing and a few reads per second, and no write."""
    config = _config(make_inputs(tmp_path), store=minio.section(minio.new_bucket()))
    bucket = open_store(config)
    claim = run_training(bucket, config)
    counted = FaultyStore(bucket)
    with serving(counted, config) as dashboard, ExitStack() as watching, _busy(bucket):
        dashboard.wait(lambda state: RUNNING in state.sessions)
        events = [watching.enter_context(_watch(f"{dashboard.url}/live/sessions/{RUNNING}")) for _ in range(WATCHERS)]
        until = time.monotonic() + 20
        while min(events, key=len) == [] and time.monotonic() < until:
            time.sleep(0.05)
        counted.calls.clear()
        began = time.monotonic()
        time.sleep(4)
        seconds = time.monotonic() - began
        calls = [(call.operation, call.key) for call in counted.calls]
    claim.lifeline.close()
    lists = [key for operation, key in calls if operation in {"list", "listing"}]
    assert min(map(len, events)) > 1, "everyone saw changes"
    assert len(lists) <= LISTS_PER_S * seconds + 1
    assert len(calls) - len(lists) <= READS_PER_S * (seconds + 1)
    assert len(calls) >= seconds
    assert not [key for pattern in WRITES for key in counted.keys(pattern)]


@contextmanager
def _busy(store: ArtifactStore) -> Iterator[None]:
    """A training that reports every tenth of a second."""
    markers, end = StageMarkers(store, RUNNING, "train"), threading.Event()

    def work() -> None:
        done = 35
        while not end.wait(0.1):
            markers.write_progress(progress("train", done=done, total=10_000, message=f"step {done}"))
            done += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


@contextmanager
def _watch(url: str) -> Iterator[list[str]]:
    """Collect a live page's events."""
    events: list[str] = []
    with httpx.stream("GET", url, timeout=20) as stream:

        def read() -> None:
            try:
                for line in stream.iter_lines():
                    if line.startswith("data:"):
                        events.append(line)
            except (httpx.HTTPError, httpx.StreamError):
                return

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        yield events


def test_the_server_goes_away(tmp_path: Path) -> None:
    """While a bucket's server is dead the page says since when and shows the last state; then it recovers by itself."""
    with running_minio(tmp_path / "minio") as server:
        config = _config(make_inputs(tmp_path), store=server.section(server.new_bucket()))
        bucket = open_store(config)
        fail(bucket, config)
        with serving(bucket, config) as dashboard:
            dashboard.wait(lambda state: RUNNING in state.sessions and state.complete)
            server.kill()
            dashboard.wait(lambda state: state.outage)
            page = dashboard.get("/").text
            assert "has been away since" in page
            assert RUNNING in page
            assert dashboard.get(f"/sessions/{RUNNING}").status_code == 200
            server.start()
            dashboard.wait(lambda state: not state.outage, timeout_s=40)
            assert "has been away since" not in dashboard.get("/").text


def test_the_folder_goes_away(tmp_path: Path) -> None:
    """A folder that is unmounted is away, not empty."""
    config = _config(make_inputs(tmp_path))
    store = LocalStore(tmp_path / "store")
    fail(store, config)
    poller = Poller(store)
    poller.round()
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    poller.round()
    assert (poller.state.sessions, bool(poller.state.outage)) == ((RUNNING,), True)
    (tmp_path / "elsewhere").rename(tmp_path / "store")
    poller.round()
    assert (poller.state.sessions, poller.state.outage) == ((RUNNING,), None)


def test_what_is_gone(tmp_path: Path) -> None:
    """A session that is deleted from a store disappears, and so does a failure that is cleared."""
    config = _config(make_inputs(tmp_path))
    store = LocalStore(tmp_path / "store")
    session = fail(store, config)
    poller = Poller(store)
    poller.round()
    StageMarkers(store, session.session_id, "train").clear_failure()
    poller.round()
    assert StageMarkers(poller.state.store, RUNNING, "train").failed() is None
    store.delete(f"sessions/{RUNNING}/session.json")
    poller.round()
    assert poller.state.sessions == ()


def test_unchanged_objects_are_read_once(tmp_path: Path) -> None:
    """A round over a store in which nothing has changed lists it and reads nothing."""
    config = _config(make_inputs(tmp_path))
    counted = FaultyStore(LocalStore(tmp_path / "store"))
    fail(counted, config)
    poller = Poller(counted)
    poller.round()
    version = poller.state.version
    counted.calls.clear()
    poller.round()
    assert [(call.operation, call.key) for call in counted.calls] == [("listing", "studies"), ("listing", "sessions")]
    assert poller.state.version == version


def test_foreign_objects(tmp_path: Path) -> None:
    """Files that are no session's, damaged records and unsafe names stop nothing."""
    config = _config(make_inputs(tmp_path))
    store = LocalStore(tmp_path / "store")
    fail(store, config)
    for name in ("bad/session.json", "a:b/session.json", "x/train/failed.json", f"{RUNNING}/train/live.json", "file"):
        path = tmp_path / "store/sessions" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xff{")
    poller = Poller(store)
    poller.look(RUNNING)
    poller.round()
    assert (poller.state.sessions, poller.state.outage) == ((RUNNING,), None)


@pytest.mark.parametrize("operation", ["put_bytes", "put_file", "put_if_absent", "compare_and_put", "delete"])
def test_writes_are_refused(tmp_path: Path, operation: str) -> None:
    """A write never reaches the store."""
    counted = FaultyStore(LocalStore(tmp_path / "store"))
    arguments = {"put_bytes": (b"",), "put_file": (tmp_path,), "put_if_absent": (b"",), "compare_and_put": (b"", "")}
    with pytest.raises(StorageError):
        getattr(ReadOnlyStore(counted), operation)("a", *arguments.get(operation, ()))
    assert counted.calls == []
