"""Where a stage stands: its markers, and whether who works on it still lives."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.unit.shared.material import held, progress_of, put_lease
from tests.unit.shared.processes import kill, running, until

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.errors import InputError
from so8t_shared.leases.lease import acquire
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.stage_state import StageState, stage_state
from so8t_shared.store.local import LocalStore

FINGERPRINT = "f" * 64


def _markers(store: LocalStore) -> StageMarkers:
    return StageMarkers(store, "s", "train")


def _work(store: LocalStore) -> str:
    """Progress of a process that works; the key of the lease that it would hold."""
    progress_of(store, "s", "train", fingerprint=FINGERPRINT).update(2, 5, "loss 1.0")
    return Artifact(store, "train", FINGERPRINT).lease_key


def _state(store: LocalStore) -> StageState:
    return stage_state(store, "s", "train")


def test_nothing_yet(store: LocalStore) -> None:
    """A stage without a marker has not been started."""
    assert _state(store) == StageState("not started")


def test_work_that_goes_on(store: LocalStore) -> None:
    """While the lease is held it runs, with its count and its message."""
    with held(store, _work(store)):
        known = _state(store)
    assert (known.state, known.count, known.message) == ("running", "2/5", "loss 1.0")


def test_after_a_hard_end(store: LocalStore) -> None:
    """A process that was killed before it could say anything has been interrupted."""

    def hold() -> None:
        here = LocalStore(Path(store.location))
        acquire(here, _work(here))
        time.sleep(1000)

    with running(hold) as holder:
        until(lambda: store.stat(Artifact(store, "train", FINGERPRINT).lease_key), "the lease")
        assert _state(store).state == "running"
        kill(holder)
    assert (_state(store).state, _state(store).message) == ("interrupted", "its process is gone; loss 1.0")


@pytest.mark.parametrize("lease", ["given back", "absent"])
def test_work_that_nobody_holds(store: LocalStore, lease: str) -> None:
    """Without a lease in force nobody works, whatever was written last."""
    key = _work(store)
    if lease == "given back":
        with held(store, key):
            pass
    assert _state(store).state == "interrupted"


@pytest.mark.parametrize(
    ("silent", "state", "message"),
    [
        (timedelta(seconds=5), "running", r"loss 1\.0"),
        (timedelta(minutes=3), "running", r"no heartbeat for 3 min 0\d s; loss 1\.0"),
        (timedelta(hours=30), "interrupted", r"no heartbeat for 30 h 00 min; loss 1\.0"),
    ],
)
def test_another_host(store: LocalStore, silent: timedelta, state: str, message: str) -> None:
    """Of a process that cannot be looked up from here its last word counts."""
    heartbeat = (datetime.now(UTC) - silent).isoformat(timespec="seconds")
    key = _work(store)
    put_lease(store, key, heartbeat=heartbeat, ttl_s=60)
    assert _state(store).state == state
    assert re.fullmatch(message, _state(store).message)
    put_lease(store, key, heartbeat="then", ttl_s=60)
    assert _state(store).state == "running"


def test_a_failure(store: LocalStore) -> None:
    """It is shown unless another host is at work; one whose process is gone is not."""
    key = _work(store)
    record = _markers(store).progress()
    assert record is not None
    _markers(store).write_progress(record.model_copy(update={"host": "gpu-box"}))
    _markers(store).fail(InputError("The model is cut.", remedy="fetch it"), 2)
    with held(store, key):
        known = _state(store)
        assert (known.state, known.host) == ("running", "gpu-box")
        assert known.message.endswith(": The model is cut.")
    known = _state(store)
    assert (known.state, known.count, known.message) == ("failed", "attempt 2", "The model is cut. fetch it")


def test_a_result(store: LocalStore) -> None:
    """A completed stage is shown with its artifact, and a failure elsewhere beside it."""
    _work(store)
    _markers(store).complete(FINGERPRINT, "c", reused=True, started="")
    assert (_state(store).state, _state(store).message) == ("reused", "f" * 12)
    _markers(store).fail(InputError("cut"), 1)
    assert _state(store).message.startswith(f"{'f' * 12}; failed on ")
