"""Removing artifacts that nobody needs, and none that somebody does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.material import (
    commit,
    held,
    make_config,
    manifest_of,
    progress_of,
    put_lease,
    run_stage,
    spoil,
    write,
)

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.segment_cache import SegmentCache
from so8t_shared.errors import Interrupted, NewerFormat
from so8t_shared.running.context import StageContext
from so8t_shared.sessions.collection import collect, list_artifacts
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import open_session, read_record
from so8t_shared.stages import Stage
from so8t_shared.store.local import LocalStore
from so8t_shared.store.testing.faulty import Call, Fault, FaultyStore

STAGE = Stage("train", "tests", 1, "", reads=("training.seed",))


def _files(ctx: StageContext) -> None:
    write(ctx.output_dir, {"x": b"%010d" % ctx.config.training.seed})


def _session(store: LocalStore, tmp_path: Path, seed: int, *, age: int = 0, stage: Stage = STAGE) -> str:
    """A session that has made the artifact of that seed; the fingerprint."""
    session = open_session(store, make_config(tmp_path, training={"seed": seed}, session_id_format=f"s{seed}"))
    created = f"2099-01-{28 - age:02d}T00:00:00+00:00"
    record = read_record(store, session.session_id).model_copy(update={"created": created})
    store.put_bytes(f"sessions/{session.session_id}/session.json", record.to_bytes())
    return run_stage(stage, session, store, _files).fingerprint


def _left(store: LocalStore) -> set[str]:
    return {item.artifact.fingerprint for item in list_artifacts(store)}


def test_list(store: LocalStore, tmp_path: Path) -> None:
    """Each artifact with its size, its manifest and the sessions that use it."""
    made = _session(store, tmp_path, 1)
    store.put_bytes(f"artifacts/convert-a/{'0' * 64}/attempts/0001/checkpoints/one/files/x", b"12345")
    unfinished, finished = list_artifacts(store)
    assert (unfinished.artifact.stage, unfinished.manifest, unfinished.size_bytes) == ("convert-a", None, 5)
    assert unfinished.sessions == []
    assert (finished.artifact.fingerprint, finished.sessions) == (made, ["s1"])
    assert finished.manifest is not None
    assert finished.size_bytes > finished.manifest.size_bytes == 10


def test_list_what_cannot_be_read(store: LocalStore) -> None:
    """An artifact of a newer program, or a damaged one, is listed without a manifest."""
    for digit, manifest in (("1", b'{"schema_version": 99}'), ("2", b"{")):
        store.put_bytes(f"artifacts/train/{digit * 64}/manifest.json", manifest)
    assert [(item.artifact.fingerprint[0], item.manifest) for item in list_artifacts(store)] == [
        ("1", None),
        ("2", None),
    ]


def test_the_newest_sessions_keep_theirs(store: LocalStore, tmp_path: Path) -> None:
    """Artifacts of the newest sessions stay, the older ones go, files and all."""
    made = [_session(store, tmp_path, seed, age=seed) for seed in range(5)]
    doomed = collect(store, keep_sessions=2, delete=True).artifacts
    assert {item.artifact.fingerprint for item in doomed} == set(made[2:])
    assert _left(store) == set(made[:2])
    assert not [p for p in Path(store.location, "artifacts/train").iterdir() if p.name in made[2:]]


def test_only_looking(store: LocalStore, tmp_path: Path) -> None:
    """Without `delete` nothing is removed."""
    made = [_session(store, tmp_path, seed, age=seed) for seed in range(3)]
    assert len(collect(store, keep_sessions=1, delete=False).artifacts) == 2
    assert _left(store) == set(made)


def test_a_shared_artifact_stays(store: LocalStore, tmp_path: Path) -> None:
    """What an old session made and a new one reuses is in use."""
    made = _session(store, tmp_path, 1, age=20)
    new = open_session(store, make_config(tmp_path, training={"seed": 1}, visualization={"dpi": 99}))
    assert run_stage(STAGE, new, store, _files).reused
    assert collect(store, keep_sessions=1, delete=True).artifacts == []
    assert _left(store) == {made}


def test_interrupted_work_of_a_kept_session_stays(store: LocalStore, tmp_path: Path) -> None:
    """Checkpoints of a stage that was stopped and will be resumed are in use, though nothing is completed."""

    def stopped(ctx: StageContext) -> None:
        ctx.checkpoints.save("one", write(ctx.scratch_dir / "s", {"x": b""}))
        raise Interrupted("stopped")

    session = open_session(store, make_config(tmp_path))
    with pytest.raises(Interrupted):
        run_stage(STAGE, session, store, stopped)
    assert collect(store, keep_sessions=3, delete=True).artifacts == []
    [item] = list_artifacts(store)
    assert item.sessions == [session.session_id]
    _session(store, tmp_path, 7, age=-1)
    assert [i.artifact.fingerprint for i in collect(store, keep_sessions=1, delete=True).artifacts] == [
        item.artifact.fingerprint
    ]


def _at_work(store: LocalStore, session_id: str, fingerprint: str) -> None:
    """What a process shows that has begun to work on an artifact for a session."""
    progress_of(store, session_id, "train", fingerprint=fingerprint).tell("started", "starting")


@pytest.mark.parametrize("delete", [False, True])
def test_a_session_at_work_keeps_all_of_its_artifacts(store: LocalStore, tmp_path: Path, delete: bool) -> None:
    """However many newer sessions there are: what an older one finished stays while a process works for it."""
    made = [_session(store, tmp_path, seed, age=seed) for seed in range(3)]
    begun = Artifact(store, "train", "0" * 64)
    finished = commit(store, tmp_path / "o", {"x": b"1"}, stage="convert-a")
    content = manifest_of(finished).content_digest()
    StageMarkers(store, "s2", "convert-a").complete(finished.fingerprint, content, reused=False, started="")
    with held(store, begun.lease_key):
        _at_work(store, "s2", begun.fingerprint)
        assert [i.artifact.fingerprint for i in collect(store, keep_sessions=1, delete=delete).artifacts] == [made[1]]
    assert len(collect(store, keep_sessions=1, delete=True).artifacts) == (3 if delete else 4)


def test_a_session_that_goes_on_meanwhile(store: LocalStore, tmp_path: Path) -> None:
    """What an older session uses stays if a process begins to work for it between the looking and the deleting."""
    made = _session(store, tmp_path, 1, age=20)
    _session(store, tmp_path, 2)
    artifact = Artifact(store, "train", made)

    def begin(_: Call) -> None:
        _at_work(store, "s1", "0" * 64)

    begun = Fault("compare_and_put", begin, key=artifact.lease_key, at="after", times=1)
    assert collect(FaultyStore(store, [begun]), keep_sessions=1, delete=True).artifacts == []
    assert artifact.inspect()[0] is not None


@pytest.mark.parametrize("damage", [lambda data: data[:-5], None])
def test_a_session_whose_record_cannot_be_read_keeps_its_artifacts(
    store: LocalStore, tmp_path: Path, damage: Callable[[bytes], bytes] | None
) -> None:
    """A damaged or lost session.json is reported, and what that session uses stays, as nobody knows how old it is."""
    made = _session(store, tmp_path, 1, age=20)
    _session(store, tmp_path, 2)
    record = Path(store.location, "sessions/s1/session.json")
    if damage:
        spoil(record, damage)
    else:
        record.unlink()
    told: list[str] = []
    assert collect(store, keep_sessions=1, delete=True, on_unreadable=lambda name, _: told.append(name)).artifacts == []
    assert told == ["s1"]
    assert made in _left(store)


def test_a_newer_programs_session_ends_the_cleaning(store: LocalStore, tmp_path: Path, said: Said) -> None:
    """What it needs is not known to an older program: NewerFormat, and nothing is deleted."""
    made = {_session(store, tmp_path, seed, age=seed) for seed in range(3)}
    spoil(Path(store.location, "sessions/s0/session.json"), lambda d: d.replace(b'n":1', b'n":2'))
    with said.raised(NewerFormat, where="sessions/s0/session.json"):
        collect(store, keep_sessions=1, delete=True)
    assert _left(store) == made


def test_sessions_are_read_once(store: LocalStore, tmp_path: Path) -> None:
    """However many artifacts are removed, the records of the sessions are not read again for each."""
    for seed in range(4):
        _session(store, tmp_path, seed, age=seed)
    for number in range(5):
        store.put_bytes(f"artifacts/train/{number:064x}/attempts/0001/checkpoints/one/files/x", b"x")
    noting = FaultyStore(store)
    assert len(collect(noting, keep_sessions=4, delete=True).artifacts) == 5
    assert len(noting.keys("get_bytes", "*/session.json")) == 4


def _taken_meanwhile(store: LocalStore, artifact: Artifact) -> FaultyStore:
    """The store, where another host takes the artifact's lease between the first look at it and the second."""
    key = artifact.lease_key
    take = Fault("read_versioned", lambda _: put_lease(store, key, ttl_s=60), key=key, skip=1, times=1)
    return FaultyStore(store, [take])


@pytest.mark.parametrize("moment", ["before the manifest is gone", "after"])
def test_a_session_that_begins_to_reuse_meanwhile(store: LocalStore, tmp_path: Path, moment: str) -> None:
    """What a new session marks as its own while it is about to be deleted stays, whole."""
    made = _session(store, tmp_path, 1, age=20)
    artifact = Artifact(store, "train", made)
    manifest = manifest_of(artifact)

    def reuse(_: Call) -> None:
        new = open_session(store, make_config(tmp_path, training={"seed": 1}, visualization={"dpi": 99}))
        StageMarkers(store, new.session_id, "train").complete(made, manifest.content_digest(), reused=True, started="")

    key = artifact.manifest_key if moment == "after" else artifact.lease_key
    reused = Fault("compare_and_put", reuse, key=key, at="after", times=1)
    _session(store, tmp_path, 2)
    assert collect(FaultyStore(store, [reused]), keep_sessions=1, delete=True).artifacts == []
    assert reused.met
    assert artifact.inspect() == (manifest, "")


def test_work_that_begins_meanwhile(store: LocalStore, tmp_path: Path) -> None:
    """An artifact whose lease is taken between the looking and the deleting stays."""
    artifact = Artifact(store, "train", _session(store, tmp_path, 1, age=20))
    _session(store, tmp_path, 2)
    assert collect(_taken_meanwhile(store, artifact), keep_sessions=1, delete=True).artifacts == []
    assert artifact.manifest() is not None


@pytest.mark.parametrize("name", ["lease.json", "manifest.json"])
def test_damage_does_not_stop_the_cleaning(store: LocalStore, tmp_path: Path, name: str) -> None:
    """A damaged lease or manifest of an unused artifact is removed with it."""
    _session(store, tmp_path, 1, age=5)
    keep = _session(store, tmp_path, 2)
    old = next(i.artifact for i in list_artifacts(store) if i.artifact.fingerprint != keep)
    spoil(Path(store.location, old.prefix, name), lambda data: data[:20])
    assert len(collect(store, keep_sessions=1, delete=True).artifacts) == 1
    assert _left(store) == {keep}


def _leave(artifact: Artifact) -> str:
    """What a killed attempt leaves in a committed artifact: its key."""
    key = f"{artifact.prefix}/attempts/0000/checkpoints/one/files/x"
    artifact.store.put_bytes(key, b"12345")
    return key


@pytest.mark.parametrize("delete", [False, True])
def test_what_attempts_left_in_a_committed_artifact_goes(store: LocalStore, tmp_path: Path, delete: bool) -> None:
    """Also in one that a kept session uses; what its manifest names stays, whole."""
    artifact = Artifact(store, "train", _session(store, tmp_path, 1))
    before, key = artifact.objects(), _leave(artifact)
    found = collect(store, keep_sessions=1, delete=delete)
    assert found.artifacts == []
    assert [(item.artifact.fingerprint, item.left_bytes) for item in found.swept] == [(artifact.fingerprint, 5)]
    assert artifact.objects() == (before if delete else sorted([*before, key.removeprefix(f"{artifact.prefix}/")]))
    assert artifact.inspect()[0] is not None
    assert bool(collect(store, keep_sessions=1, delete=True).swept) is not delete


def test_nothing_is_swept_while_a_stage_runs(store: LocalStore, tmp_path: Path) -> None:
    """Who holds the lease may be making a damaged artifact anew: everything stays."""
    artifact = Artifact(store, "train", _session(store, tmp_path, 1))
    key = _leave(artifact)
    with held(store, artifact.lease_key):
        assert collect(store, keep_sessions=1, delete=True).swept == []
    assert store.get_bytes(key) == b"12345"


def test_a_lease_taken_meanwhile_keeps_what_would_be_swept(store: LocalStore, tmp_path: Path) -> None:
    """A stage that begins between the looking and the sweeping loses nothing."""
    artifact = Artifact(store, "train", _session(store, tmp_path, 1))
    key = _leave(artifact)
    assert collect(_taken_meanwhile(store, artifact), keep_sessions=1, delete=True).swept == []
    assert store.get_bytes(key) == b"12345"


EVALUATE = Stage("evaluate", "tests", 1, "", reads=("training.seed",))


def _answered(store: LocalStore, owner: str) -> str:
    with SegmentCache(store, "samples", owner) as cache:
        cache.put("1" * 64, {"answer": "x"})
    return owner


def test_cached_answers_go_with_their_session(store: LocalStore, tmp_path: Path) -> None:
    """Answers of kept sessions stay, also in work; those of older sessions, of none and of earlier versions go."""
    made = [_answered(store, _session(store, tmp_path, n, age=n, stage=EVALUATE)) for n in range(3)]
    _answered(store, "e" * 64)
    store.put_bytes(f"cache/samples/ab/{'ab' * 32}.json", b"{}")
    gone = {made[2], "e" * 64, "ab"}
    assert {cache.owner for cache in collect(store, keep_sessions=2, delete=False).caches} == gone
    assert len(list(store.list("cache"))) == 5
    found = collect(store, keep_sessions=2, delete=True).caches
    assert {cache.owner for cache in found} == gone
    assert all(cache.size_bytes for cache in found)
    assert {key.split("/")[2] for key in store.list("cache")} == set(made[:2])


def test_cached_answers_of_work_are_kept(store: LocalStore, tmp_path: Path) -> None:
    """An old session that a process is working for keeps its answers, and so does one that has just come."""
    made = [_answered(store, _session(store, tmp_path, n, age=n, stage=EVALUATE)) for n in range(2)]
    with held(store, Artifact(store, "evaluate", made[1]).lease_key):
        assert collect(store, keep_sessions=1, delete=True).caches == []
    assert [cache.owner for cache in collect(store, keep_sessions=1, delete=True).caches] == [made[1]]
