"""Waiting for other stages by their markers alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.material import (
    FIRST,
    SECOND,
    Events,
    commit,
    manifest_of,
    put_lease,
    run_stage,
    spoil,
    stage_run,
    write,
)

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.errors import InputError, IntegrityError, Interrupted, ServerError, StorageError, UpstreamError
from so8t_shared.host import host_name
from so8t_shared.interruption import StopSignal
from so8t_shared.running.context import StageContext
from so8t_shared.running.waiting import Upstream, upstream_changed, wait_for_upstreams
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import Session
from so8t_shared.stages import Stage
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.local import LocalStore
from so8t_shared.store.testing.faulty import Fault, FaultyStore


def _first(ctx: StageContext) -> None:
    write(ctx.output_dir, {"data/x": b"x"})


def _wait(
    store: ArtifactStore,
    session: Session,
    *,
    patience_s: float = 0.0,
    stop: StopSignal | None = None,
    stage: Stage = SECOND,
    events: Events | None = None,
) -> Upstream:
    run = stage_run(stage, session, store, listeners=events or Events())
    run.open_listeners()
    return wait_for_upstreams(
        store, session.session_id, stage, patience_s=patience_s, stop=stop or StopSignal(), reporter=run.reporter
    )


@contextmanager
def _later(work: object, delay_s: float = 0.3) -> Iterator[None]:
    timer = threading.Timer(delay_s, work)  # type: ignore[arg-type]
    timer.start()
    yield
    timer.join()


def _markers(store: LocalStore, session: Session) -> StageMarkers:
    return StageMarkers(store, session.session_id, "first")


def test_nothing_needed(store: LocalStore, session: Session) -> None:
    """A stage without upstreams does not wait and writes no progress."""
    assert _wait(store, session, stage=FIRST) == {}
    assert _markers(store, session).progress() is None


def test_complete_upstream(store: LocalStore, session: Session) -> None:
    """The artifact that the marker speaks of is found, with its manifest."""
    outcome = run_stage(FIRST, session, store, _first)
    found = _wait(store, session)
    assert found["first"][0].fingerprint == outcome.fingerprint
    assert found["first"][1] == outcome.manifest


def test_missing_upstream(store: LocalStore, session: Session, said: Said) -> None:
    """Without patience a missing stage is an UpstreamError: exit code 3, its name, and how to get it."""
    with said.raised(UpstreamError, where=f"session {session.session_id} in {store.location}") as caught:
        _wait(store, session)
    assert caught.value.exit_code == 3


def test_every_missing_one_is_named(store: LocalStore, session: Session, said: Said) -> None:
    """Two missing stages are both named; a third one that is there is not."""
    run_stage(FIRST, session, store, _first)
    both = Stage("third", "tests", 1, "", reads=(), needs={"first": ("",), "one": ("",), "two": ("",)})
    with said.raised(UpstreamError, where=f"session {session.session_id} in {store.location}"):
        _wait(store, session, stage=both)


def test_patience_ends(store: LocalStore, session: Session) -> None:
    """Waiting ends when patience does, and says so meanwhile."""
    events = Events()
    with pytest.raises(UpstreamError):
        _wait(store, session, patience_s=0.3, events=events)
    assert {(state, message) for state, _, _, message in events.states} == {("waiting", "waiting for first")}
    progress = StageMarkers(store, session.session_id, "second").progress()
    assert progress is not None
    assert progress.state == "waiting"


def test_waits_until_the_marker_comes(store: LocalStore, session: Session) -> None:
    """A stage that starts first goes on as soon as the other one is complete."""
    with _later(lambda: run_stage(FIRST, session, store, _first)):
        assert set(_wait(store, session, patience_s=60)) == {"first"}


def test_failure_ends_the_wait_at_once(store: LocalStore, session: Session, said: Said) -> None:
    """A stage that fails for good while we wait ends us with its own message, long before patience does."""
    error = InputError("The model is cut.", where="model.safetensors", remedy="fetch it again")
    with (
        _later(lambda: _markers(store, session).fail(error, 1)),
        said.raised(UpstreamError, where=error.where) as caught,
    ):
        _wait(store, session, patience_s=10_000)
    assert not caught.value.retryable


def test_a_host_that_fails_does_not_speak_for_one_that_works(store: LocalStore, session: Session) -> None:
    """While another process computes the stage, a failure of one that cannot do it does not end those who wait."""

    def slow(ctx: StageContext) -> None:
        other = stage_run(FIRST, session, store)  # a host without the inputs
        other.open_listeners()
        other.record_failure(InputError("The data set does not exist."))
        other.reporter.tell("failed")
        failed.set()
        assert polled.wait(60)
        _first(ctx)

    failed, polled = threading.Event(), threading.Event()
    worker = threading.Thread(target=lambda: run_stage(FIRST, session, store, slow))
    worker.start()
    assert failed.wait(60)
    polling = FaultyStore(store, [Fault("get_bytes", lambda _: polled.set(), key="*/first/failed.json", skip=2)])
    assert set(_wait(polling, session, patience_s=60)) == {"first"}
    worker.join()
    assert _markers(store, session).failed() is None


class _Shared(LocalStore):
    """A store that several hosts reach."""

    @property
    def remote(self) -> bool:
        return True


def test_what_one_host_lacks_is_not_final(store: LocalStore, session: Session) -> None:
    """Where hosts share a store, one without the inputs does not end the wait for one that still reads its own."""
    shared, events = _Shared(Path(store.location)), Events()
    for error in (InputError("The model is cut."), StorageError("The disk is full.")):
        _markers(store, session).clear_completed()
        _markers(store, session).fail(error, 1)
        with _later(lambda: run_stage(FIRST, session, store, _first)):
            assert set(_wait(shared, session, patience_s=60, events=events)) == {"first"}
        assert f"waiting for first; first failed on {host_name()}: {error.what}" in [m for *_, m in events.states]


def test_what_every_host_lacks_is_final_after_minutes(
    store: LocalStore, session: Session, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    """When nobody has begun by then, the failure ends the wait; any other failure does so at once."""
    shared = _Shared(Path(store.location))
    defect = ZeroDivisionError("a defect")
    with _later(lambda: _markers(store, session).fail(defect, 1)), pytest.raises(UpstreamError) as caught:
        _wait(shared, session, patience_s=10_000)
    said(caught.value.what)
    monkeypatch.setattr("so8t_shared.running.waiting._OTHER_HOST_GRACE_S", 0.5)
    _markers(store, session).fail(InputError("The model is cut."), 1)
    began = time.monotonic()
    with pytest.raises(UpstreamError) as caught:
        _wait(shared, session, patience_s=10_000)
    said(caught.value.what)
    assert time.monotonic() - began >= 0.5


def test_a_holder_that_fell_silent_counts_no_longer(store: LocalStore, session: Session, said: Said) -> None:
    """When the other host is gone as well, the failure ends the wait once its lease has been silent for its time."""
    run = stage_run(FIRST, session, store)
    run.open_listeners()
    run.reporter.fingerprint = "f" * 64
    run.reporter.tell("started")
    lease = put_lease(store, f"artifacts/first/{'f' * 64}/lease.json", ttl_s=0.6)
    began = time.monotonic()
    error = InputError("The model is cut.")
    with _later(lambda: _markers(store, session).fail(error, 1)), pytest.raises(UpstreamError) as caught:
        _wait(store, session, patience_s=10_000)
    said(caught.value.what)
    assert time.monotonic() - began >= lease.ttl_s


def test_an_old_failure_ends_a_wait_without_patience(store: LocalStore, session: Session, said: Said) -> None:
    """Where we do not wait, an earlier failure is reported instead of 'missing'."""
    _markers(store, session).fail(InputError("The model is cut."), 1)
    with pytest.raises(UpstreamError) as caught:
        _wait(store, session)
    said(caught.value.what)


def test_a_retryable_failure_is_waited_out(store: LocalStore, session: Session) -> None:
    """A server may come back: we go on waiting, and follow when the stage succeeds after all."""
    _markers(store, session).fail(ServerError("The server does not answer."), 1)
    with (
        _later(lambda: _markers(store, session).fail(ServerError("The server does not answer."), 2), 0.2),
        _later(lambda: run_stage(FIRST, session, store, _first), 0.5),
    ):
        assert set(_wait(store, session, patience_s=60)) == {"first"}


def test_a_full_disk_ends_the_wait(store: LocalStore, session: Session) -> None:
    """A person has to make room, so nobody waits for that; the remedy says that the same command goes on."""
    error = StorageError("The disk is full.", remedy="free some space and run the same command again")
    with _later(lambda: _markers(store, session).fail(error, 1)), pytest.raises(UpstreamError) as caught:
        _wait(store, session, patience_s=10_000)
    assert caught.value.remedy == error.remedy


def test_a_retryable_failure_is_told_when_patience_ends(store: LocalStore, session: Session, said: Said) -> None:
    """When it did not pass in time, its message is shown."""
    _markers(store, session).fail(ServerError("The server does not answer."), 1)
    with pytest.raises(UpstreamError) as caught:
        _wait(store, session, patience_s=0.3)
    said(caught.value.what)


def test_an_old_failure_that_is_being_retried(store: LocalStore, session: Session) -> None:
    """A failure from before we began does not end us while its stage is started again beside us."""
    _markers(store, session).fail(InputError("The model is cut."), 1)
    with _later(lambda: run_stage(FIRST, session, store, _first)):
        assert set(_wait(store, session, patience_s=60)) == {"first"}


def test_a_signal_ends_the_wait(store: LocalStore, session: Session) -> None:
    """Asked to stop, the waiter ends within a moment."""
    stop = StopSignal()
    with _later(stop.ask), pytest.raises(Interrupted):
        _wait(store, session, patience_s=10_000, stop=stop)


@pytest.mark.parametrize("damage", ["gone", "cut", "other content"])
def test_a_marker_alone_is_not_enough(store: LocalStore, session: Session, tmp_path: Path, damage: str) -> None:
    """Where the manifest is gone, damaged or another one, the stage counts as not complete."""
    outcome = run_stage(FIRST, session, store, _first)
    artifact = Artifact(store, "first", outcome.fingerprint)
    if damage == "gone":
        store.delete(artifact.manifest_key)
    elif damage == "cut":
        spoil(Path(store.location, artifact.manifest_key), lambda data: data[:50])
    else:
        other = manifest_of(commit(store, tmp_path / "out", {"data/x": b"other"}))
        spoil(Path(store.location, artifact.manifest_key), lambda _: other.to_bytes())
    with pytest.raises(UpstreamError):
        _wait(store, session)


def test_a_damaged_upstream_is_waited_for(store: LocalStore, session: Session) -> None:
    """While its own stage makes a damaged artifact anew, those behind it wait."""
    outcome = run_stage(FIRST, session, store, _first)
    spoil(Path(store.location, f"artifacts/first/{outcome.fingerprint}/manifest.json"), lambda data: data[:50])
    with _later(lambda: run_stage(FIRST, session, store, _first)):
        assert set(_wait(store, session, patience_s=60)) == {"first"}


def test_upstream_changed(store: LocalStore, session: Session) -> None:
    """Only other content of an upstream is a change; the same content again or a missing marker is none."""
    run_stage(FIRST, session, store, _first)
    seen = _wait(store, session)
    assert not upstream_changed(store, session.session_id, seen)
    markers = _markers(store, session)
    markers.clear_completed()
    assert not upstream_changed(store, session.session_id, seen)
    markers.complete("f" * 64, seen["first"][1].content_digest(), reused=True, started="")
    assert not upstream_changed(store, session.session_id, seen)
    markers.complete("f" * 64, "0" * 64, reused=False, started="")
    assert upstream_changed(store, session.session_id, seen)


def test_integrity_of_the_files_is_checked_on_use(store: LocalStore, session: Session) -> None:
    """A damaged file of a complete upstream is an IntegrityError when it is read: exit code 5."""
    outcome = run_stage(FIRST, session, store, _first)
    spoil(Path(store.location, f"artifacts/first/{outcome.fingerprint}/attempts/0001/output/data/x"), lambda _: b"y")
    with pytest.raises(IntegrityError) as caught:
        stage_run(SECOND, session, store).run(lambda: lambda ctx: print(ctx.input_dir("first")))
    assert caught.value.exit_code == 5
