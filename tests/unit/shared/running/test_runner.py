"""Running a stage: decide, work, commit, mark, reuse; damage is repaired."""

from __future__ import annotations

import threading
from collections.abc import Callable
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
    write,
)
from tests.unit.shared.running.works import (
    first,
    refuse,
    reopened,
    second,
)

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.errors import NewerFormat, UpstreamError
from so8t_shared.running.context import StageContext
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import Session, open_session
from so8t_shared.store.local import LocalStore
from so8t_shared.store.testing.faulty import Fault, FaultyStore


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
    again, mine = reopened(session, store)
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
