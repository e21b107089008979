"""Removing artifacts that nobody needs, and none that somebody does."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.unit.shared.material import held, make_config, run_stage, spoil, write
from tests.unit.shared.processes import kill, running, until

from so8t_shared.artifacts import Artifact
from so8t_shared.collection import collect, list_artifacts
from so8t_shared.errors import Interrupted
from so8t_shared.leases import acquire
from so8t_shared.sessions import read_record
from so8t_shared.stage import StageContext
from so8t_shared.stages import Stage
from so8t_shared.store.local import LocalStore

STAGE = Stage("train", "tests", 1, "", reads=("training.seed",))


def _files(ctx: StageContext) -> None:
    write(ctx.output_dir, {"x": b"%010d" % ctx.config.training.seed})


def _session(store: LocalStore, tmp_path: Path, seed: int, *, age: int = 0) -> str:
    """A session that has made the artifact of that seed; the fingerprint."""
    from so8t_shared.sessions import open_session

    session = open_session(store, make_config(tmp_path, training={"seed": seed}, session_id_format=f"s{seed}"))
    created = f"2099-01-{28 - age:02d}T00:00:00+00:00"
    record = read_record(store, session.session_id).model_copy(update={"created": created})
    store.put_bytes(f"sessions/{session.session_id}/session.json", record.to_bytes())
    return run_stage(STAGE, session, store, _files).fingerprint


def _left(store: LocalStore) -> set[str]:
    return {item.artifact.fingerprint for item in list_artifacts(store)}


def test_list(store: LocalStore, tmp_path: Path) -> None:
    """Each artifact with its size, its manifest and the sessions that use it."""
    made = _session(store, tmp_path, 1)
    Artifact(store, "convert-a", "0" * 64).checkpoint("one")
    store.put_bytes(f"artifacts/convert-a/{'0' * 64}/work/one/files/x", b"12345")
    unfinished, finished = list_artifacts(store)
    assert (unfinished.artifact.stage, unfinished.manifest, unfinished.size_bytes) == ("convert-a", None, 5)
    assert unfinished.sessions == []
    assert (finished.artifact.fingerprint, finished.sessions) == (made, ["s1"])
    assert finished.manifest is not None
    assert finished.size_bytes > finished.manifest.size_bytes == 10


def test_the_newest_sessions_keep_theirs(store: LocalStore, tmp_path: Path) -> None:
    """Artifacts of the newest sessions stay, the older ones go, files and all."""
    made = [_session(store, tmp_path, seed, age=seed) for seed in range(5)]
    doomed = collect(store, keep_sessions=2, delete=True)
    assert {item.artifact.fingerprint for item in doomed} == set(made[2:])
    assert _left(store) == set(made[:2])
    assert not [p for p in Path(store.location, "artifacts/train").iterdir() if p.name in made[2:]]


def test_only_looking(store: LocalStore, tmp_path: Path) -> None:
    """Without `delete` nothing is removed."""
    made = [_session(store, tmp_path, seed, age=seed) for seed in range(3)]
    assert len(collect(store, keep_sessions=1, delete=False)) == 2
    assert _left(store) == set(made)


def test_a_shared_artifact_stays(store: LocalStore, tmp_path: Path) -> None:
    """What an old session made and a new one reuses is in use."""
    from so8t_shared.sessions import open_session

    made = _session(store, tmp_path, 1, age=20)
    new = open_session(store, make_config(tmp_path, training={"seed": 1}, visualization={"dpi": 99}))
    assert run_stage(STAGE, new, store, _files).reused
    assert collect(store, keep_sessions=1, delete=True) == []
    assert _left(store) == {made}


def test_interrupted_work_of_a_kept_session_stays(store: LocalStore, tmp_path: Path) -> None:
    """Checkpoints of a stage that was stopped and will be resumed are in use, though nothing is completed."""
    from so8t_shared.sessions import open_session

    def stopped(ctx: StageContext) -> None:
        ctx.checkpoints.save("one", write(ctx.scratch_dir / "s", {"x": b""}))
        raise Interrupted("stopped")

    session = open_session(store, make_config(tmp_path))
    with pytest.raises(Interrupted):
        run_stage(STAGE, session, store, stopped)
    assert collect(store, keep_sessions=3, delete=True) == []
    [item] = list_artifacts(store)
    assert item.sessions == [session.session_id]
    _session(store, tmp_path, 7, age=-1)
    assert [i.artifact.fingerprint for i in collect(store, keep_sessions=1, delete=True)] == [item.artifact.fingerprint]


def test_what_is_in_work_stays(store: LocalStore) -> None:
    """An artifact that a living process holds is left alone; after its death it goes."""
    artifact = Artifact(store, "train", "0" * 64)

    def hold() -> None:
        acquire(LocalStore(Path(store.location)), artifact.lease_key)
        time.sleep(1000)

    with running(hold) as holder:
        until(lambda: store.stat(artifact.lease_key), "the lease")
        assert collect(store, keep_sessions=1, delete=True) == []
        kill(holder)
    assert [i.artifact.fingerprint for i in collect(store, keep_sessions=1, delete=True)] == ["0" * 64]
    assert [p.name for p in Path(store.location).iterdir()] == [".local"]


def test_given_back_is_not_in_work(store: LocalStore) -> None:
    """A lease that was released protects nothing."""
    artifact = Artifact(store, "train", "0" * 64)
    with held(store, artifact.lease_key):
        assert collect(store, keep_sessions=1, delete=True) == []
    assert len(collect(store, keep_sessions=1, delete=True)) == 1


@pytest.mark.parametrize("name", ["lease.json", "manifest.json"])
def test_damage_does_not_stop_the_cleaning(store: LocalStore, tmp_path: Path, name: str) -> None:
    """A damaged lease or manifest of an unused artifact is removed with it."""
    _session(store, tmp_path, 1, age=5)
    keep = _session(store, tmp_path, 2)
    old = next(i.artifact for i in list_artifacts(store) if i.artifact.fingerprint != keep)
    spoil(Path(store.location, old.prefix, name), lambda data: data[:20])
    assert len(collect(store, keep_sessions=1, delete=True)) == 1
    assert _left(store) == {keep}
