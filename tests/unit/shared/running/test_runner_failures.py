"""What a stage that fails leaves behind."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.material import (
    FIRST,
    SECOND,
    Events,
    run_stage,
    stage_run,
)
from tests.unit.shared.running.works import (
    first,
    second,
)

from so8t_shared.errors import InputError, ServerError, StorageError
from so8t_shared.running.context import StageContext
from so8t_shared.running.events import Event
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import Session
from so8t_shared.store.local import LocalStore
from so8t_shared.store.testing.faulty import Call, Fault, FaultyStore


def test_failure_is_recorded(store: LocalStore, session: Session) -> None:
    """An error ends the stage, commits nothing and is kept for those who wait; each attempt is numbered."""

    def broken(ctx: StageContext) -> None:
        raise InputError("The model is cut.", where="x")

    for attempt in (1, 2, 3):
        run = stage_run(FIRST, session, store)
        with pytest.raises(InputError) as caught:
            run.run(lambda: broken)
        run.record_failure(caught.value)
        run.reporter.tell("failed")
        failed = run.markers.failed()
        assert failed is not None
        assert (failed.what, failed.attempt) == ("The model is cut.", attempt)
    run_stage(FIRST, session, store, first)
    assert run.markers.failed() is None


def _fail(store: LocalStore, session: Session) -> StageMarkers:
    """Another host's attempt that ends before it can take the lease, because its inputs are missing."""
    run = stage_run(FIRST, session, store)
    run.open_listeners()
    run.record_failure(InputError("The data set does not exist."))
    run.reporter.tell("failed")
    return run.markers


def test_a_failure_leaves_what_holds_good(store: LocalStore, session: Session) -> None:
    """A host that cannot do a stage does not take back what another one has completed."""
    made = run_stage(FIRST, session, store, first)
    markers = _fail(store, session)
    completed, failed = markers.completed(), markers.failed()
    assert completed is not None
    assert completed.fingerprint == made.fingerprint
    assert failed is not None
    assert run_stage(SECOND, session, store, second).manifest.key["upstream"].keys() == {"first"}


@pytest.mark.parametrize("name", ["manifest.json", "attempts/0001/output/data/x"])
def test_a_failure_takes_back_what_does_not(store: LocalStore, session: Session, name: str) -> None:
    """A marker whose artifact is gone or damaged is taken back, so that nobody follows it."""
    made = run_stage(FIRST, session, store, first)
    Path(store.location, "artifacts/first", made.fingerprint, name).unlink()
    assert _fail(store, session).completed() is None


def test_a_failure_after_the_commit(store: LocalStore, session: Session) -> None:
    """A stage whose last step fails (the results cannot be written for people) takes back what it said itself."""

    class Refusing(Events):
        def hear(self, event: Event) -> None:
            if event.kind == "finished":
                raise StorageError("The folder cannot be written.")

    run = stage_run(FIRST, session, store, listeners=Refusing())
    with pytest.raises(StorageError) as caught:
        run.run(lambda: first)
    assert run.markers.completed() is not None
    run.record_failure(caught.value)
    assert run.markers.completed() is None


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        RuntimeError("safetensors: I/O error: No space left on device (os error 28)"),
        OSError(30, "Read-only file system"),
    ],
    ids=["full", "full for safetensors", "read-only"],
)
def test_disk_troubles_in_a_stage(store: LocalStore, session: Session, error: Exception, said: Said) -> None:
    """However a library says it, a full disk is a StorageError."""
    places: list[Path] = []

    def broken(ctx: StageContext) -> None:
        places.append(ctx.output_dir.parent)
        raise error

    with pytest.raises(StorageError) as caught:
        run_stage(FIRST, session, store, broken)
    assert [caught.value.where] == [str(place) for place in places]
    said(caught.value, scratch=places[0])


def test_a_link_in_the_output_is_refused(store: LocalStore, session: Session, said: Said) -> None:
    """A stage that leaves a symbolic link commits nothing."""
    links: list[Path] = []

    def broken(ctx: StageContext) -> None:
        first(ctx)
        links.append(ctx.output_dir / "link")
        links[0].symlink_to("/etc/hostname")

    with pytest.raises(StorageError) as caught:
        run_stage(FIRST, session, store, broken)
    assert [caught.value.where] == [str(link) for link in links]
    said(caught.value, link=links[0])
    assert not [key for key in store.list("artifacts") if key.endswith("manifest.json")]


def test_a_hiccup_while_the_log_is_opened(store: LocalStore, session: Session) -> None:
    """A server that is away for a few seconds when a stage starts does not end it: the log waits as the work does."""

    def hasty(call: Call) -> None:
        if call.patience_s < math.inf:
            raise ServerError("The store's server does not answer.")

    away = FaultyStore(store, [Fault("get_bytes", hasty, key="*/log.jsonl")])
    assert not run_stage(FIRST, session, away, first).reused


def test_the_traceback_is_in_the_log(store: LocalStore, session: Session) -> None:
    """The log kept with the session has what a person does not need at first."""

    def broken(ctx: StageContext) -> None:
        ctx.log.info("working")
        raise ZeroDivisionError("here")

    with pytest.raises(ZeroDivisionError):
        run_stage(FIRST, session, store, broken)
    log = (store.get_bytes(f"sessions/{session.session_id}/first/log.jsonl") or b"").decode()
    assert "working" in log
    assert "Traceback" in log
    assert "in broken" in log
