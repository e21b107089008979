"""Several processes and one stage: one computes, the others follow; a lost lease commits nothing."""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.material import (
    FIRST,
    Events,
    run_stage,
    stage_run,
    steal,
    write,
)
from tests.unit.shared.processes import kill, race, running, until
from tests.unit.shared.running.works import (
    checkpoints_of,
    fingerprint_of,
    first,
    refuse,
    reopened,
)

from so8t_shared.errors import LeaseLost, ServerError, StorageError
from so8t_shared.leases.holder import Holder
from so8t_shared.leases.lease import acquire
from so8t_shared.running.context import StageContext
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import Session
from so8t_shared.store.local import LocalStore
from so8t_shared.store.testing.faulty import Fault, FaultyStore


def test_one_of_sixteen_computes(store: LocalStore, session: Session, tmp_path: Path) -> None:
    """Sixteen processes with the same fingerprint: one works, fifteen get its result."""

    def noted(ctx: StageContext) -> None:
        with (tmp_path / "computed").open("a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(0.2)
        first(ctx)

    def work(_: int) -> tuple[bool, str]:
        outcome = stage_run(FIRST, *reopened(session, store)).run(lambda: noted)
        return outcome.reused, outcome.manifest.content_digest()

    answers = race(16, work)
    assert len((tmp_path / "computed").read_text().split()) == 1
    assert [reused for reused, _ in answers].count(False) == 1
    assert len({content for _, content in answers}) == 1


def test_killed_holder_is_followed_at_once(store: LocalStore, session: Session) -> None:
    """A process that waits for another one takes over in a moment when that is killed, not after its lease's time."""

    def holds(ctx: StageContext) -> None:
        time.sleep(1000)

    with running(lambda: run_stage(FIRST, *reopened(session, store), holds)) as holder:
        until(lambda: len(list(store.list("artifacts"))) == 2, "the other process's lease, and its attempt")
        key = f"artifacts/first/{fingerprint_of(store, session)}/lease.json"
        lease = Holder.from_bytes(store.get_bytes(key) or b"", key)
        store.put_bytes(key, lease.model_copy(update={"ttl_s": 1e9}).to_bytes())  # only its death can end the wait
        threading.Timer(0.3, lambda: kill(holder)).start()
        assert not run_stage(FIRST, session, store, first).reused


def test_the_waiter_says_whom_it_waits_for(store: LocalStore, session: Session) -> None:
    """Progress names the host and process that computes."""
    lease = Holder(owner="o", host="gpu-box", domain="d", pid=77, started=1.0, heartbeat="", ttl_s=0.3)
    run = stage_run(FIRST, session, store, listeners=(events := Events()))
    store.put_bytes(f"artifacts/first/{fingerprint_of(store, session)}/lease.json", lease.to_bytes())
    run.run(lambda: first)
    assert ("waiting", 0, 0, "computed by gpu-box, process 77") in events.states


def test_the_waiter_leaves_the_progress_alone(store: LocalStore, session: Session) -> None:
    """While one process computes and another waits, everybody sees the one that computes."""

    def slow(ctx: StageContext) -> None:
        ctx.progress(1, 2, "half way")
        until(lambda: any(state == "waiting" for state, *_ in events.states), "the waiting process")
        seen.append(StageMarkers(store, session.session_id, "first").progress())
        first(ctx)

    seen, events = [], Events()
    working = threading.Thread(target=lambda: run_stage(FIRST, session, store, slow))
    working.start()
    until(lambda: list(store.list("artifacts")), "the lease")
    assert stage_run(FIRST, session, store, listeners=events).run(lambda: refuse).reused
    working.join()
    [record] = seen
    assert (record.state, record.fingerprint) == ("running", fingerprint_of(store, session))
    assert [message for state, _, _, message in events.states if state == "waiting"] == [
        f"computed by {record.host}, process {record.pid}"
    ]


def test_a_robbed_process_leaves_the_progress_of_the_new_holder(store: LocalStore, session: Session) -> None:
    """Its last word, 'interrupted', is not written over what the one that took over has to say."""

    def robbed(ctx: StageContext) -> None:
        steal(store, ctx.artifact.lease_key)
        record = run.markers.progress()
        assert record is not None
        run.markers.write_progress(record.model_copy(update={"host": "other", "message": "resumed"}))
        ctx.lease.confirm()

    run = stage_run(FIRST, session, store)
    with pytest.raises(LeaseLost):
        run.run(lambda: robbed)
    run.reporter.tell("interrupted")
    record = run.markers.progress()
    assert record is not None
    assert (record.host, record.state, record.message) == ("other", "running", "resumed")


def test_lost_lease_is_not_committed(store: LocalStore, session: Session) -> None:
    """Taken over during the work, the loser commits nothing and ends with 75."""

    def robbed(ctx: StageContext) -> None:
        first(ctx)
        steal(store, ctx.artifact.lease_key)

    with pytest.raises(LeaseLost) as caught:
        run_stage(FIRST, session, store, robbed)
    assert caught.value.exit_code == 75
    assert [key.split("/")[-1] for key in store.list("artifacts")] == ["attempt.json", "lease.json"]
    assert StageMarkers(store, session.session_id, "first").completed() is None


def test_whatever_follows_a_lost_lease_is_no_failure(store: LocalStore, session: Session) -> None:
    """When the new holder has taken our files away, that is reported as a lost lease, not as a defect of the stage."""

    def robbed(ctx: StageContext) -> None:
        steal(store, ctx.artifact.lease_key)
        with pytest.raises(LeaseLost):
            ctx.lease.confirm()
        (ctx.output_dir / "gone" / "file").write_text("x")

    with pytest.raises(LeaseLost):
        run_stage(FIRST, session, store, robbed)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ServerError("The model cannot be fetched."), ServerError),
        (StorageError("The disk is full."), StorageError),
        (FileNotFoundError("out/x"), LeaseLost),
    ],
    ids=["server", "disk", "file"],
)
def test_an_outage_is_not_told_as_a_takeover(
    store: LocalStore, session: Session, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type, said: Said
) -> None:
    """With a lease that is only silent an error keeps its own words; one that a new holder may have caused says so."""
    monkeypatch.setattr("so8t_shared.running.runner.acquire", partial(acquire, ttl_s=0.4))

    def alone(ctx: StageContext) -> None:
        until(lambda: ctx.lease.lost, "the lease's silence")
        raise error

    away = Fault("compare_and_put", ServerError("The store's server does not answer."))  # at each renewal
    with said.raised(kind) as caught:
        run_stage(FIRST, session, FaultyStore(store, [away]), alone)
    assert type(caught.value) is kind


def test_a_takeover_explains_an_outage(store: LocalStore, session: Session, said: Said) -> None:
    """Once the lease is known to be another's, whatever the loser met is no failure of the stage."""

    def robbed(ctx: StageContext) -> None:
        steal(store, ctx.artifact.lease_key)
        with pytest.raises(LeaseLost):
            ctx.lease.confirm()
        raise ServerError("The model cannot be fetched.")

    with said.raised(LeaseLost):
        run_stage(FIRST, session, store, robbed)


def test_check_interrupted_notices_a_lost_lease(store: LocalStore, session: Session) -> None:
    """A long stage learns at its next safe point that another process has taken over."""

    def robbed(ctx: StageContext) -> None:
        ctx.check_held()
        steal(store, ctx.artifact.lease_key)
        with pytest.raises(LeaseLost):
            ctx.lease.confirm()
        assert not ctx.stop_requested  # it is not asked to save anything
        with pytest.raises(LeaseLost):
            ctx.check_held()
        ctx.check_interrupted()
        raise AssertionError("went on")

    with pytest.raises(LeaseLost):
        run_stage(FIRST, session, store, robbed)


def test_a_lost_lease_saves_no_checkpoint(store: LocalStore, session: Session) -> None:
    """Taken over during the work, the loser leaves the checkpoints as the new holder has them."""

    def robbed(ctx: StageContext) -> None:
        ctx.checkpoints.save("step-1", write(ctx.scratch_dir / "s", {"x": b"1"}))
        steal(store, ctx.artifact.lease_key)
        ctx.checkpoints.save("step-2", write(ctx.scratch_dir / "s", {"x": b"2"}))
        raise AssertionError("went on")

    with pytest.raises(LeaseLost):
        run_stage(FIRST, session, store, robbed)
    assert checkpoints_of(store) == ["step-1"]
