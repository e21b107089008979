"""Running a stage: decide, take the lease, work, commit, mark; killed anywhere and run again."""

from __future__ import annotations

import math
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tests.unit.shared.material import (
    FIRST,
    SECOND,
    Events,
    listing,
    make_config,
    run_stage,
    spoil,
    stage_run,
    steal,
    write,
)
from tests.unit.shared.processes import exit_code, kill, kill_self, race, running, start, until

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.errors import InputError, Interrupted, LeaseLost, NewerFormat, ServerError, StorageError, UpstreamError
from so8t_shared.interruption import StopSignal
from so8t_shared.leases.holder import Holder
from so8t_shared.leases.lease import acquire
from so8t_shared.running.context import StageContext
from so8t_shared.running.events import Event
from so8t_shared.running.runner import Outcome
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import Session, open_session
from so8t_shared.store.local import LocalStore
from so8t_shared.store.testing.faulty import Call, Fault, FaultyStore

STEPS = 16


def first(ctx: StageContext) -> None:
    """Depends on the configuration alone."""
    write(ctx.output_dir, {"data/x": b"%d" % ctx.config.training.seed, "report.json": b"{}"})


def second(ctx: StageContext) -> None:
    """Depends on the first stage."""
    write(ctx.output_dir, {"y": (ctx.input_dir("first") / "data/x").read_bytes() * 2})


def counting(ctx: StageContext) -> None:
    """Adds up the steps, saves its state at each, and notes in the scratch of the test what it did."""
    done = ctx.checkpoints.names()
    total = int((ctx.checkpoints.load(done[-1]) / "total").read_text()) if done else 0
    for step in range(len(done), STEPS):
        ctx.check_interrupted()
        total += step * ctx.config.training.seed
        state = write(ctx.scratch_dir / "state", {"total": b"%d" % total})
        ctx.checkpoints.save(f"step-{step:06d}", state)
        ctx.progress(step + 1, STEPS, "counting")
        time.sleep(0.02)
    write(ctx.output_dir, {"data/total": b"%d" % total})


def refuse(ctx: StageContext) -> None:
    """Must not be called."""
    raise AssertionError("the stage was computed although its artifact is there")


def _reopened(session: Session, store: LocalStore) -> tuple[Session, LocalStore]:
    mine = LocalStore(Path(store.location))
    return open_session(mine, session.config), mine


def _run_again(session: Session, store: LocalStore) -> Outcome:
    return stage_run(FIRST, *_reopened(session, store)).run(lambda: counting)


# The ordinary way


def test_computes_commits_and_marks(store: LocalStore, session: Session) -> None:
    """A first run leaves the artifact, its marker, progress and log, and no scratch."""
    outcome = run_stage(FIRST, session, store, first)
    assert not outcome.reused
    base, marks = f"artifacts/first/{outcome.fingerprint}", f"sessions/{session.session_id}/first"
    made = ("attempt.json", "output/data/x", "output/report.json")
    assert set(store.list("artifacts")) == {
        *(f"{base}/{name}" for name in ("manifest.json", "lease.json", *(f"attempts/0001/{name}" for name in made)))
    }
    assert set(store.list(marks)) == {f"{marks}/{name}" for name in ("completed.json", "progress.json", "log.jsonl")}
    marker = StageMarkers(store, session.session_id, "first").completed()
    assert marker is not None
    assert (marker.fingerprint, marker.reused) == (outcome.fingerprint, False)
    assert marker.content_digest == outcome.manifest.content_digest()
    assert list((store.local_root / "scratch").iterdir()) == []


def test_the_pipeline_of_two(store: LocalStore, session: Session) -> None:
    """A stage reads what the one before it made."""
    run_stage(FIRST, session, store, first)
    outcome = run_stage(SECOND, session, store, second)
    assert store.get_bytes(f"artifacts/second/{outcome.fingerprint}/attempts/0001/output/y") == b"4242"
    assert outcome.manifest.key["upstream"].keys() == {"first"}


def test_second_run_changes_nothing(store: LocalStore, session: Session) -> None:
    """Everything is reused, nothing is imported, and no file of the store is touched, not even its time."""
    for stage, function in ((FIRST, first), (SECOND, second)):
        run_stage(stage, session, store, function)
    exempt = (".local/digests.sqlite", ".local/locks/")
    before = listing(Path(store.location), without=exempt)
    again, mine = _reopened(session, store)
    for stage in (FIRST, SECOND):
        assert stage_run(stage, again, mine).run(lambda: refuse).reused
        assert stage_run(stage, again, mine).reuse_only() is not None
    assert listing(Path(store.location), without=exempt) == before


def test_another_session_reuses(store: LocalStore, session: Session) -> None:
    """A new session of the same configuration computes nothing; its marker says so."""
    run_stage(FIRST, session, store, first)
    other = open_session(store, session.config, new=True)
    assert run_stage(FIRST, other, store, refuse).reused
    marker = StageMarkers(store, other.session_id, "first").completed()
    assert marker is not None
    assert marker.reused


def test_a_changed_key_computes_anew(store: LocalStore, tmp_path: Path) -> None:
    """A key that the stage reads makes another artifact; going back finds the first one again."""
    one, two = (open_session(store, make_config(tmp_path, training={"seed": seed})) for seed in (1, 2))
    made = [run_stage(FIRST, one, store, first), run_stage(FIRST, two, store, first)]
    assert made[0].fingerprint != made[1].fingerprint
    assert run_stage(FIRST, one, store, refuse).fingerprint == made[0].fingerprint


def test_reuse_only_computes_nothing(store: LocalStore, session: Session) -> None:
    """Where nothing is committed the answer is None and a marker of before is taken back."""
    markers = StageMarkers(store, session.session_id, "first")
    markers.complete("f" * 64, "c" * 64, reused=False, started="")
    assert stage_run(FIRST, session, store).reuse_only() is None
    assert markers.completed() is None
    assert list(store.list("artifacts")) == []


def test_missing_upstream(store: LocalStore, session: Session) -> None:
    """Without its upstream a stage does not begin, and its function is not even imported."""
    with pytest.raises(UpstreamError):
        stage_run(SECOND, session, store).run(_unloadable)


def _unloadable() -> Callable[[StageContext], None]:
    raise AssertionError("imported although nothing is to be computed")


def test_upstream_changed_during_the_work(store: LocalStore, session: Session) -> None:
    """A stage whose upstream is completed with other content meanwhile is computed again from that."""
    run_stage(FIRST, session, store, first)
    calls = []

    def disturbed(ctx: StageContext) -> None:
        calls.append((ctx.input_dir("first") / "data/x").read_bytes())
        write(ctx.output_dir, {"y": calls[-1]})
        if len(calls) == 1:
            changed = make_config(Path(store.location).parent, training={"seed": 7})
            other = Session(session.session_id, changed, session.created)
            run_stage(FIRST, other, store, first)

    outcome = run_stage(SECOND, session, store, disturbed)
    assert calls == [b"42", b"7"]
    assert store.get_bytes(f"artifacts/second/{outcome.fingerprint}/attempts/0001/output/y") == b"7"


def test_waits_for_the_upstream(store: LocalStore, session: Session) -> None:
    """Started before its upstream, a stage with patience follows it."""
    timer = threading.Timer(0.3, lambda: run_stage(FIRST, session, store, first))
    timer.start()
    assert not run_stage(SECOND, session, store, second, patience_s=60).reused
    timer.join()


# Several processes


def test_one_of_sixteen_computes(store: LocalStore, session: Session, tmp_path: Path) -> None:
    """Sixteen processes with the same fingerprint: one works, fifteen get its result."""

    def noted(ctx: StageContext) -> None:
        with (tmp_path / "computed").open("a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(0.2)
        first(ctx)

    def work(_: int) -> tuple[bool, str]:
        outcome = stage_run(FIRST, *_reopened(session, store)).run(lambda: noted)
        return outcome.reused, outcome.manifest.content_digest()

    answers = race(16, work)
    assert len((tmp_path / "computed").read_text().split()) == 1
    assert [reused for reused, _ in answers].count(False) == 1
    assert len({content for _, content in answers}) == 1


def test_killed_holder_is_followed_at_once(store: LocalStore, session: Session) -> None:
    """A process that waits for another one takes over in a moment when that is killed, not after its lease's time."""

    def holds(ctx: StageContext) -> None:
        time.sleep(1000)

    with running(lambda: run_stage(FIRST, *_reopened(session, store), holds)) as holder:
        until(lambda: len(list(store.list("artifacts"))) == 2, "the other process's lease, and its attempt")
        key = f"artifacts/first/{_fingerprint(store, session)}/lease.json"
        lease = Holder.from_bytes(store.get_bytes(key) or b"", key)
        store.put_bytes(key, lease.model_copy(update={"ttl_s": 1e9}).to_bytes())  # only its death can end the wait
        threading.Timer(0.3, lambda: kill(holder)).start()
        assert not run_stage(FIRST, session, store, first).reused


def test_the_waiter_says_whom_it_waits_for(store: LocalStore, session: Session) -> None:
    """Progress names the host and process that computes."""
    lease = Holder(owner="o", host="gpu-box", domain="d", pid=77, started=1.0, heartbeat="", ttl_s=0.3)
    run = stage_run(FIRST, session, store, listeners=(events := Events()))
    store.put_bytes(f"artifacts/first/{_fingerprint(store, session)}/lease.json", lease.to_bytes())
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
    assert (record.state, record.fingerprint) == ("running", _fingerprint(store, session))
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


def _fingerprint(store: LocalStore, session: Session) -> str:
    from so8t_shared.artifacts.digests import DigestCache
    from so8t_shared.artifacts.fingerprints import fingerprint, stage_key

    return fingerprint(stage_key(FIRST, session.config, {}, DigestCache(store.local_root / "digests.sqlite")))


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
    """When the new holder has taken our files away, that is told as the lost lease, not as a defect of the stage."""

    def robbed(ctx: StageContext) -> None:
        steal(store, ctx.artifact.lease_key)
        with pytest.raises(LeaseLost):
            ctx.lease.confirm()
        (ctx.output_dir / "gone" / "file").write_text("x")

    with pytest.raises(LeaseLost):
        run_stage(FIRST, session, store, robbed)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (ServerError("The model cannot be fetched."), ServerError, "model cannot be fetched"),
        (StorageError("The disk is full."), StorageError, "disk is full"),
        (FileNotFoundError("out/x"), LeaseLost, r"could not be renewed for 0 s \(The store's server does not answer\)"),
    ],
    ids=str,
)
def test_an_outage_is_not_told_as_a_takeover(
    store: LocalStore, session: Session, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type, words: str
) -> None:
    """With a lease that is only silent an error keeps its own words; one that a new holder may have caused says so."""
    monkeypatch.setattr("so8t_shared.running.runner.acquire", partial(acquire, ttl_s=0.4))

    def alone(ctx: StageContext) -> None:
        until(lambda: ctx.lease.lost, "the lease's silence")
        raise error

    away = Fault("compare_and_put", ServerError("The store's server does not answer."))  # at each renewal
    with pytest.raises(kind, match=words) as caught:
        run_stage(FIRST, session, FaultyStore(store, [away]), alone)
    assert type(caught.value) is kind


def test_a_takeover_explains_an_outage(store: LocalStore, session: Session) -> None:
    """Once the lease is known to be another's, whatever the loser met is no failure of the stage."""

    def robbed(ctx: StageContext) -> None:
        steal(store, ctx.artifact.lease_key)
        with pytest.raises(LeaseLost):
            ctx.lease.confirm()
        raise ServerError("The model cannot be fetched.")

    with pytest.raises(LeaseLost, match="took this stage over"):
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
    assert _checkpoints(store) == ["step-1"]


# Signals and kills


def test_a_signal_keeps_the_work(store: LocalStore, session: Session) -> None:
    """Asked to stop, the stage ends with Interrupted, keeps its checkpoints, and leaves no scratch."""
    stop = StopSignal()

    def asked(ctx: StageContext) -> None:
        ctx.checkpoints.save("one", write(ctx.scratch_dir / "s", {"x": b"1"}))
        stop.ask()
        assert ctx.stop_requested
        ctx.check_interrupted()

    with pytest.raises(Interrupted):
        stage_run(FIRST, session, store, stop=stop).run(lambda: asked)
    assert _checkpoints(store) == ["one"]
    assert list((store.local_root / "scratch").iterdir()) == []
    seen = []

    def resumed(ctx: StageContext) -> None:
        seen.extend(ctx.checkpoints.names())
        first(ctx)

    run_stage(FIRST, session, store, resumed)
    assert seen == ["one"]
    assert _checkpoints(store) == []


def test_stop_right_before_the_commit(store: LocalStore, session: Session) -> None:
    """A signal that comes when the function has returned still ends the stage without a commit."""
    stop = StopSignal()

    def asked(ctx: StageContext) -> None:
        first(ctx)
        stop.ask()

    with pytest.raises(Interrupted):
        stage_run(FIRST, session, store, stop=stop).run(lambda: asked)
    assert not [key for key in store.list("artifacts") if key.endswith("manifest.json")]


def test_stop_during_the_commit(store: LocalStore, session: Session) -> None:
    """A signal that comes while the files are sent is seen before the next one; the next run commits the same."""
    stop = StopSignal()
    sent = Fault("put_file", lambda _: stop.ask(), at="after")
    with pytest.raises(Interrupted):
        stage_run(FIRST, session, FaultyStore(store, [sent]), stop=stop).run(lambda: first)
    assert sent.met == 1
    assert not [key for key in store.list("artifacts") if key.endswith("manifest.json")]
    assert not run_stage(FIRST, session, store, first).reused


def test_downloads_of_what_is_gone_are_removed(store: LocalStore, session: Session) -> None:
    """A stage that begins to work frees the disk of them."""
    folder = write(store.local_root / "downloads", {"0123456789abcdef/model.gguf": b"x"}) / "0123456789abcdef"
    note = folder.with_suffix(".of")
    note.write_bytes(b"artifacts/convert-a/gone/manifest.json")
    os.utime(note, (0, 0))
    stage_run(FIRST, session, store).run(lambda: first)
    assert not folder.exists()
    assert not note.exists()


def test_scratch_of_other_work_is_removed(store: LocalStore, session: Session, tmp_path: Path) -> None:
    """What a killed attempt left goes with the next one, also when the configuration was changed since."""

    def killed(ctx: StageContext) -> None:
        write(ctx.output_dir, {"model": b"x" * 1000})
        kill_self()

    assert exit_code(start(lambda: run_stage(FIRST, *_reopened(session, store), killed))) == -9
    assert len(list((store.local_root / "scratch").iterdir())) == 1
    changed = open_session(store, make_config(tmp_path, training={"seed": 5}))
    assert not run_stage(FIRST, changed, store, first).reused
    assert list((store.local_root / "scratch").iterdir()) == []


def test_sigkill_again_and_again(store: LocalStore, session: Session, tmp_path: Path) -> None:
    """Killed at whatever moment, as often as it takes: the result is the uninterrupted one, no step is lost twice."""
    untouched = LocalStore(tmp_path / "untouched")
    expected = run_stage(FIRST, open_session(untouched, session.config), untouched, counting)
    progress = [0]
    for _ in range(4):
        with running(lambda: _run_again(session, store)) as process:
            until(lambda: len(_steps(store)) >= progress[-1] + 3, "three more checkpoints")
            kill(process)
        progress.append(len(_steps(store)))
    assert progress == sorted(progress)
    outcome = _run_again(session, store)
    assert outcome.manifest.content_digest() == expected.manifest.content_digest()
    assert outcome.fingerprint == expected.fingerprint
    assert _without_numbers(store) == _without_numbers(untouched)
    assert list((store.local_root / "scratch").iterdir()) == []


def _without_numbers(store: LocalStore) -> list[str]:
    """All keys of artifacts, whichever attempt wrote them."""
    return sorted(re.sub(r"/attempts/\d+/", "/attempts/n/", key) for key in store.list("artifacts"))


def _checkpoints(store: LocalStore) -> list[str]:
    """Names of all complete checkpoints of all attempts."""
    keys = [key for key in store.list("artifacts") if "/checkpoints/" in key and key.endswith("/manifest.json")]
    return [key.split("/")[-2] for key in keys]


def _steps(store: LocalStore) -> list[str]:
    return sorted(set(_checkpoints(store)))


def test_sigterm_ends_with_75(store: LocalStore, session: Session) -> None:
    """SIGTERM to the process: the stage ends at its next safe point with exit code 75, and resumes later."""

    def work() -> None:
        mine, stop = _reopened(session, store), StopSignal()
        stop.install()
        try:
            stage_run(FIRST, *mine, stop=stop).run(lambda: counting)
        except Interrupted as error:
            os._exit(error.exit_code)

    process = start(work)
    until(lambda: len(_steps(store)) >= 2, "two checkpoints")
    assert process.pid is not None
    os.kill(process.pid, signal.SIGTERM)
    assert exit_code(process) == 75
    kept = len(_steps(store))
    assert 2 <= kept < STEPS
    assert not _run_again(session, store).reused


AROUND_THE_COMMIT = {
    "before the manifest": Fault("put_if_absent", kill_self, key="*/manifest.json"),
    "after the manifest": Fault("put_if_absent", kill_self, key="*/manifest.json", at="after"),
    "before the marker": Fault("put_bytes", kill_self, key="*/completed.json"),
    "after the marker": Fault("put_bytes", kill_self, key="*/completed.json", at="after"),
}


@pytest.mark.parametrize("point", AROUND_THE_COMMIT)
def test_killed_around_the_commit(store: LocalStore, session: Session, tmp_path: Path, point: str) -> None:
    """At each point a rerun ends with artifact and marker as after an uninterrupted run, and no leftovers."""

    def work() -> None:
        dying = FaultyStore(store, [AROUND_THE_COMMIT[point]])
        run_stage(FIRST, open_session(dying, session.config), dying, counting)

    assert exit_code(start(work)) == -9
    outcome = _run_again(session, store)
    assert outcome.reused == (point != "before the manifest")
    untouched = LocalStore(tmp_path / "untouched")
    expected = run_stage(FIRST, open_session(untouched, session.config), untouched, counting)
    assert outcome.manifest.content_digest() == expected.manifest.content_digest()
    assert _without_numbers(store) == _without_numbers(untouched)
    assert StageMarkers(store, session.session_id, "first").completed() is not None


# Damage


@pytest.mark.parametrize("name", ["attempts/0001/output/data/x", "attempts/0001/output/report.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_damaged_artifact_is_made_anew_loudly(store: LocalStore, session: Session, name: str, damage: str) -> None:
    """A corrupt or missing file is never served: the stage is computed again, with a warning, to the same content."""
    made = run_stage(FIRST, session, store, first)
    path = Path(store.location, "artifacts/first", made.fingerprint, name)
    path.unlink() if damage == "gone" else spoil(path, lambda data: data[:-1])
    run = stage_run(FIRST, session, store, listeners=(events := Events()))
    again = run.run(lambda: first)
    assert not again.reused
    assert again.manifest.content_digest() == made.manifest.content_digest()
    assert Artifact(store, "first", made.fingerprint).inspect()[0] is not None
    quiet = name == "manifest.json" and damage == "gone"  # without a manifest there never was an artifact
    assert [level for level, message in events.logs if "damaged" in message] == ([] if quiet else ["WARNING"])


def test_looking_for_reuse_takes_nothing_away(store: LocalStore, session: Session) -> None:
    """Only the holder of the lease removes a damaged artifact: it might be another process's fresh commit."""
    made = run_stage(FIRST, session, store, first)
    spoil(Path(store.location, "artifacts/first", made.fingerprint, "attempts/0001/output/data/x"), lambda _: b"?")
    before = sorted(store.list("artifacts"))
    assert stage_run(FIRST, session, store).reuse_only() is None
    assert sorted(store.list("artifacts")) == before


def test_collected_while_it_is_reused(store: LocalStore, session: Session) -> None:
    """An artifact that is removed between the looking and the marking is made anew, not marked as there."""
    made = run_stage(FIRST, session, store, first)
    collecting = Fault(
        "put_bytes", lambda _: Artifact(store, "first", made.fingerprint).delete(), key="*/completed.json", times=1
    )
    other = open_session(store, session.config, new=True)
    calls: list[str] = []

    def again(ctx: StageContext) -> None:
        calls.append("computed")
        first(ctx)

    assert not run_stage(FIRST, other, FaultyStore(store, [collecting]), again).reused
    assert calls == ["computed"]
    assert Artifact(store, "first", made.fingerprint).inspect()[0] is not None
    assert StageMarkers(store, other.session_id, "first").completed() is not None


def test_a_newer_artifact_is_not_touched(store: LocalStore, session: Session) -> None:
    """An artifact of a newer program ends the stage; it is not rebuilt over."""
    made = run_stage(FIRST, session, store, first)
    path = Path(store.location, "artifacts/first", made.fingerprint, "manifest.json")
    spoil(path, lambda data: data.replace(b'"schema_version":2', b'"schema_version":3'))
    with pytest.raises(NewerFormat):
        run_stage(FIRST, session, store, first)
    assert path.is_file()


# Failures


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
    ("error", "words"),
    [
        (OSError(28, "No space left on device"), "disk is full"),
        (RuntimeError("safetensors: I/O error: No space left on device (os error 28)"), "disk is full"),
        (OSError(30, "Read-only file system"), "read-only"),
    ],
)
def test_disk_troubles_in_a_stage(store: LocalStore, session: Session, error: Exception, words: str) -> None:
    """However a library says it, a full disk is a StorageError."""

    def broken(ctx: StageContext) -> None:
        raise error

    with pytest.raises(StorageError, match=words):
        run_stage(FIRST, session, store, broken)


def test_a_link_in_the_output_is_refused(store: LocalStore, session: Session) -> None:
    """A stage that leaves a symbolic link commits nothing."""

    def broken(ctx: StageContext) -> None:
        first(ctx)
        (ctx.output_dir / "link").symlink_to("/etc/hostname")

    with pytest.raises(StorageError, match="plain files"):
        run_stage(FIRST, session, store, broken)
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
