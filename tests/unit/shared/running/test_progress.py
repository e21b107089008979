"""Progress: cheap at every step, seen by whoever looks, and never a reason to fail."""

from __future__ import annotations

import os
from typing import Literal

import pytest
from tests.unit.shared.material import Events, progress_of

from so8t_shared.errors import ServerError, StorageError
from so8t_shared.host import host_name
from so8t_shared.running.progress import ProgressReporter
from so8t_shared.sessions.markers import ProgressRecord, StageMarkers
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.local import LocalStore
from so8t_shared.store.testing.faulty import Fault, FaultyStore


def _reporter(store: ArtifactStore, events: Events) -> ProgressReporter:
    return progress_of(store, "s", "train", events)


def _record(store: LocalStore) -> ProgressRecord:
    record = StageMarkers(store, "s", "train").progress()
    assert record is not None
    return record


def test_a_secret_in_a_message(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A credential of this process is neither shown nor stored."""
    monkeypatch.setenv("HF_TOKEN", "hf_a-secret-value")
    events = Events()
    reporter = _reporter(store, events)
    reporter.update(1, 2, "from https://hf_a-secret-value@hub.example")
    reporter.tell("interrupted")
    assert [message for *_, message in events.states] == ["from https://***@hub.example"] * 2
    assert _record(store).message == "from https://***@hub.example"


def test_a_thousand_steps_are_a_few_writes(store: LocalStore) -> None:
    """The first and the last step are reported, and those in between only now and then."""
    events = Events(every_s=0.2)
    reporter = _reporter(store, events)
    for step in range(1, 1001):
        reporter.update(step, 1000, f"step {step}")
    assert events.states[0] == ("progress", 1, 1000, "step 1")
    assert events.states[-1] == ("progress", 1000, 1000, "step 1000")
    assert len(events.states) < 50
    record = _record(store)
    assert (record.state, record.done, record.total, record.message) == ("running", 1000, 1000, "step 1000")
    assert record.pid == os.getpid()


def test_an_unknown_total_is_no_end(store: LocalStore) -> None:
    """With a total of 0 no step counts as the last one."""
    events = Events(every_s=0.2)
    reporter = _reporter(store, events)
    for step in range(100):
        reporter.update(step, 0)
    assert len(events.states) < 10


def test_a_change_of_state_is_told_at_once(store: LocalStore) -> None:
    """States keep the count so far, and the last message where they bring none."""
    events = Events()
    reporter = _reporter(store, events)
    reporter.update(3, 10, "step 3")
    reporter.tell("interrupted")
    assert events.states[-1] == ("interrupted", 3, 10, "step 3")
    reporter.tell("waiting", "for train")
    assert events.states[-1] == ("waiting", 3, 10, "for train")
    assert (_record(store).state, _record(store).message) == ("waiting", "for train")


def test_attempts_are_numbered(store: LocalStore) -> None:
    """Each attempt that reports something has the next number; one that says nothing has none."""
    for attempt in (1, 2, 3):
        reporter = _reporter(store, Events())
        reporter.tell("started")
        reporter.tell("failed")
        assert _record(store).attempt == attempt
    _reporter(store, Events())
    assert _record(store).attempt == 3


def test_the_artifact_in_work_is_named(store: LocalStore) -> None:
    """Who cleans up can see what an interrupted stage was working on."""
    reporter = _reporter(store, Events())
    reporter.tell("waiting")
    assert _record(store).fingerprint == ""
    reporter.fingerprint = "f" * 64
    reporter.tell("started")
    assert _record(store).fingerprint == "f" * 64


def test_interrupted_work_stays_named(store: LocalStore) -> None:
    """The next attempt, while it waits for the stages before, does not hide what can be resumed."""
    reporter = _reporter(store, Events())
    reporter.fingerprint = "f" * 64
    reporter.tell("interrupted")
    _reporter(store, Events()).tell("waiting", "waiting for train")
    assert (_record(store).state, _record(store).fingerprint) == ("waiting", "f" * 64)


def _elsewhere(store: LocalStore, state: str) -> ProgressRecord:
    """What another host has written."""
    reporter = _reporter(store, Events())
    reporter.fingerprint = "f" * 64
    reporter.update(3, 10, "loss 1.0")
    record = _record(store).model_copy(update={"host": "gpu-box", "pid": 7, "state": state})
    StageMarkers(store, "s", "train").write_progress(record)
    return record


@pytest.mark.parametrize("state", ["failed", "interrupted"])
def test_the_progress_of_who_computes_stays(store: LocalStore, state: Literal["failed", "interrupted"]) -> None:
    """A host that ends without having had the stage leaves the other one's progress; its own listeners hear it."""
    record, events = _elsewhere(store, "running"), Events()
    _reporter(store, events).tell(state, "here")
    assert _record(store) == record
    assert events.states == [(state, 0, 0, "here")]


def test_who_computes_writes_over_all(store: LocalStore) -> None:
    """The one that has taken the stage over says so, whatever the one before it said last."""
    _elsewhere(store, "running")
    reporter = _reporter(store, Events())
    reporter.fingerprint = "f" * 64
    reporter.tell("started", "starting")
    assert (_record(store).host, _record(store).message) == (host_name(), "starting")


def test_an_ended_attempt_is_written_over(store: LocalStore) -> None:
    """What another host's attempt came to does not hide that this one failed."""
    _elsewhere(store, "interrupted")
    _reporter(store, Events()).tell("failed")
    assert (_record(store).host, _record(store).state) == (host_name(), "failed")


def test_telling_writes_nothing(store: LocalStore) -> None:
    """Only the listeners on this host hear that it waits for another one."""
    record, events = _elsewhere(store, "running"), Events()
    _reporter(store, events).tell("waiting", "computed by gpu-box, process 7", "here")
    assert _record(store) == record
    assert events.states == [("waiting", 0, 0, "computed by gpu-box, process 7")]


@pytest.mark.parametrize("error", [ServerError("gone"), StorageError("The disk is full.")])
def test_a_store_that_fails_does_not_end_the_work(store: LocalStore, error: Exception) -> None:
    """A picture of the work that cannot be written is left out."""
    events = Events()
    reporter = _reporter(FaultyStore(store, [Fault("put_bytes", error)]), events)
    reporter.update(1, 1)
    reporter.tell("finished")
    assert [state for state, *_ in events.states] == ["progress", "finished"]
