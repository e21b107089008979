"""Removing artifacts that nobody needs, and none that somebody does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.shared.material import commit, held, make_config, manifest_of, progress_of, run_stage, spoil, write
from tests.unit.shared.processes import kill, running, until

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.errors import Interrupted, NewerFormat
from so8t_shared.leases.lease import acquire
from so8t_shared.leases.record import LeaseRecord
from so8t_shared.running.context import StageContext
from so8t_shared.sessions.collection import collect, list_artifacts
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import open_session, read_record
from so8t_shared.stages import Stage
from so8t_shared.store.local import LocalStore

STAGE = Stage("train", "tests", 1, "", reads=("training.seed",))


def _files(ctx: StageContext) -> None:
    write(ctx.output_dir, {"x": b"%010d" % ctx.config.training.seed})


def _session(store: LocalStore, tmp_path: Path, seed: int, *, age: int = 0) -> str:
    """A session that has made the artifact of that seed; the fingerprint."""
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


def test_what_is_in_work_stays(store: LocalStore) -> None:
    """An artifact that a living process holds is left alone; after its death it goes."""
    artifact = Artifact(store, "train", "0" * 64)

    def hold() -> None:
        acquire(LocalStore(Path(store.location)), artifact.lease_key)
        time.sleep(1000)

    with running(hold) as holder:
        until(lambda: store.stat(artifact.lease_key), "the lease")
        assert collect(store, keep_sessions=1, delete=True).artifacts == []
        kill(holder)
    assert [i.artifact.fingerprint for i in collect(store, keep_sessions=1, delete=True).artifacts] == ["0" * 64]
    assert [p.name for p in Path(store.location).iterdir()] == [".local"]


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
    hooked = _Hooked(Path(store.location))
    hooked.write_hook = (Artifact(store, "train", made).lease_key, lambda: _at_work(store, "s1", "0" * 64))
    assert collect(hooked, keep_sessions=1, delete=True).artifacts == []
    assert Artifact(store, "train", made).inspect()[0] is not None


@pytest.mark.parametrize("damage", [lambda data: data[:-5], None])
def test_a_session_whose_record_cannot_be_read_keeps_its_artifacts(
    store: LocalStore, tmp_path: Path, damage: Callable[[bytes], bytes] | None
) -> None:
    """A damaged or lost session.json is told, and what that session uses stays, as nobody knows how old it is."""
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


def test_a_newer_programs_session_ends_the_cleaning(store: LocalStore, tmp_path: Path) -> None:
    """What it needs is not known to an older program: NewerFormat, and nothing is deleted."""
    made = {_session(store, tmp_path, seed, age=seed) for seed in range(3)}
    spoil(Path(store.location, "sessions/s0/session.json"), lambda d: d.replace(b'n":1', b'n":2'))
    with pytest.raises(NewerFormat, match="newer than this program"):
        collect(store, keep_sessions=1, delete=True)
    assert _left(store) == made


def test_sessions_are_read_once(store: LocalStore, tmp_path: Path) -> None:
    """However many artifacts are removed, the records of the sessions are not read again for each."""

    class Counting(LocalStore):
        records = 0

        def get_bytes(self, key: str) -> bytes | None:
            self.records += key.endswith("/session.json")
            return super().get_bytes(key)

    for seed in range(4):
        _session(store, tmp_path, seed, age=seed)
    for number in range(5):
        store.put_bytes(f"artifacts/train/{number:064x}/attempts/0001/checkpoints/one/files/x", b"x")
    counting = Counting(Path(store.location))
    assert len(collect(counting, keep_sessions=4, delete=True).artifacts) == 5
    assert counting.records == 4


def test_given_back_is_not_in_work(store: LocalStore) -> None:
    """A lease that was released protects nothing."""
    artifact = Artifact(store, "train", "0" * 64)
    with held(store, artifact.lease_key):
        assert collect(store, keep_sessions=1, delete=True).artifacts == []
    assert len(collect(store, keep_sessions=1, delete=True).artifacts) == 1


def _elsewhere(store: LocalStore, artifact: Artifact, number: int = 0, ttl_s: float = 0.4) -> None:
    """A lease of a process that this host can neither look up nor see the lifeline of."""
    record = LeaseRecord(
        owner="o", host="c0ffee", domain="c0ffee/boot", pid=1, started=1.0, heartbeat=f"2020 {number}", ttl_s=ttl_s
    )
    store.put_bytes(artifact.lease_key, record.to_bytes())


@pytest.mark.parametrize("delete", [False, True])
def test_what_a_killed_container_left_goes(store: LocalStore, delete: bool) -> None:
    """Leases that nobody here can know of are watched, all at once, for their time; then they count no more."""
    artifacts = [Artifact(store, "train", f"{number}" * 64) for number in range(3)]
    for artifact in artifacts:
        store.put_bytes(f"{artifact.prefix}/attempts/0001/checkpoints/step-1/files/w", b"w")
        _elsewhere(store, artifact)
    told: list[int] = []
    began = time.monotonic()
    doomed = collect(store, keep_sessions=1, delete=delete, on_wait=told.append, poll_s=0.05).artifacts
    assert time.monotonic() - began >= 0.4
    assert told == [3]
    assert {i.artifact.fingerprint for i in doomed} == {a.fingerprint for a in artifacts}
    assert _left(store) == (set() if delete else {a.fingerprint for a in artifacts})


def test_what_another_host_works_on_stays(store: LocalStore) -> None:
    """A holder that is heard of once while it is watched keeps its artifact, however old its first word looks."""
    artifact = Artifact(store, "train", "0" * 64)
    _elsewhere(store, artifact, ttl_s=60)
    heard = threading.Event()

    def beat(leases: int) -> None:
        _elsewhere(store, artifact, 1, ttl_s=60)
        heard.set()

    assert collect(store, keep_sessions=1, delete=True, on_wait=beat, poll_s=0.05).artifacts == []
    assert heard.is_set()
    assert _left(store) == {artifact.fingerprint}


def test_a_newer_programs_work_stays(store: LocalStore) -> None:
    """A lease that cannot be read because it is of a newer program protects its artifact."""
    artifact = Artifact(store, "train", "0" * 64)
    store.put_bytes(artifact.lease_key, b'{"schema_version": 99}')
    assert collect(store, keep_sessions=1, delete=True).artifacts == []
    assert _left(store) == {artifact.fingerprint}


class _Hooked(LocalStore):
    """Does something right after the first write, or right after the first delete, of a key."""

    write_hook: tuple[str, Callable[[], object]] | None = None
    delete_hook: tuple[str, Callable[[], object]] | None = None

    def compare_and_put(self, key: str, data: bytes, etag: str) -> str | None:
        result = super().compare_and_put(key, data, etag)
        if self.write_hook and self.write_hook[0] == key:
            hook, self.write_hook = self.write_hook[1], None
            hook()
        return result

    def delete(self, key: str) -> None:
        super().delete(key)
        if self.delete_hook and self.delete_hook[0] == key:
            hook, self.delete_hook = self.delete_hook[1], None
            hook()


@pytest.mark.parametrize("moment", ["before the manifest is gone", "after"])
def test_a_session_that_begins_to_reuse_meanwhile(store: LocalStore, tmp_path: Path, moment: str) -> None:
    """What a new session marks as its own while it is about to be deleted stays, whole."""
    made = _session(store, tmp_path, 1, age=20)
    hooked = _Hooked(Path(store.location))
    artifact = Artifact(hooked, "train", made)
    manifest = artifact.manifest()
    assert manifest is not None

    def reuse() -> None:
        new = open_session(store, make_config(tmp_path, training={"seed": 1}, visualization={"dpi": 99}))
        StageMarkers(store, new.session_id, "train").complete(made, manifest.content_digest(), reused=True, started="")

    if moment == "after":
        hooked.delete_hook = (artifact.manifest_key, reuse)
    else:
        hooked.write_hook = (artifact.lease_key, reuse)
    _session(store, tmp_path, 2)
    assert collect(hooked, keep_sessions=2, delete=True).artifacts == []
    assert artifact.inspect() == (manifest, "")


def test_work_that_begins_meanwhile(store: LocalStore, tmp_path: Path) -> None:
    """An artifact whose lease is taken between the looking and the deleting stays."""
    made = _session(store, tmp_path, 1, age=20)
    _session(store, tmp_path, 2)
    artifact = Artifact(store, "train", made)

    looks: list[str] = []

    class Late(LocalStore):
        def read_versioned(self, key: str) -> tuple[bytes, str] | None:
            if key == artifact.lease_key:
                looks.append(key)
                if len(looks) == 2:
                    _elsewhere(store, artifact, ttl_s=60)
            return super().read_versioned(key)

    assert collect(Late(Path(store.location)), keep_sessions=1, delete=True).artifacts == []
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
    key, looks = _leave(artifact), list[str]()

    class Late(LocalStore):
        def read_versioned(self, key: str) -> tuple[bytes, str] | None:
            if key == artifact.lease_key:
                looks.append(key)
                if len(looks) == 2:
                    _elsewhere(store, artifact, ttl_s=60)
            return super().read_versioned(key)

    assert collect(Late(Path(store.location)), keep_sessions=1, delete=True).swept == []
    assert store.get_bytes(key) == b"12345"
