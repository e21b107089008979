"""The commit protocol: whatever moment a process is killed at, an artifact is whole or not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.material import commit, held, key_of, manifest_of, spoil, steal, write
from tests.unit.shared.processes import exit_code, kill_self, start

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.attempts import Attempt
from so8t_shared.artifacts.manifests import WITHDRAWN
from so8t_shared.errors import IntegrityError, LeaseLost, NewerFormat, StorageError
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.local import LocalStore
from so8t_shared.store.testing.faulty import Fault, FaultyStore

FILES = {"a": b"one", "b/c": b"two" * 1000, "d": b"three"}
MANIFEST = "*/manifest.json"
POINTS = {
    "before files": Fault("put_file", kill_self),
    "after 1 file": Fault("put_file", kill_self, at="after"),
    "after 2 files": Fault("put_file", kill_self, at="after", skip=1),
    "before the manifest": Fault("put_if_absent", kill_self, key=MANIFEST),
    "after the manifest": Fault("put_if_absent", kill_self, key=MANIFEST, at="after"),
}


def _commit(store: ArtifactStore, folder: Path, files: dict[str, bytes] = FILES) -> Artifact:
    return commit(store, folder, files)


def test_commit(store: LocalStore, tmp_path: Path) -> None:
    """The store holds exactly the files, the attempt's record, the manifest and the lease; the manifest tells more."""
    artifact = _commit(store, tmp_path / "out")
    below = f"{artifact.prefix}/attempts/0001"
    files = {f"{below}/output/{name}" for name in FILES}
    assert set(store.list("artifacts")) == {artifact.manifest_key, artifact.lease_key, f"{below}/attempt.json", *files}
    manifest = manifest_of(artifact)
    assert manifest.key == {"stage": "train"}
    assert manifest.host
    assert manifest.created
    assert set(manifest.versions) == {"so8t-ab", "python"}
    assert artifact.inspect() == (manifest, "")


@pytest.mark.parametrize("point", POINTS)
def test_killed_anywhere_and_run_again(store: LocalStore, tmp_path: Path, point: str) -> None:
    """SIGKILL at each point: before the manifest nothing counts; a rerun ends with the same content either way."""
    assert exit_code(start(lambda: _commit(FaultyStore(store, [POINTS[point]]), tmp_path / "out"))) == -9
    artifact = Artifact(store, "train", "f" * 64)
    if point == "after the manifest":
        assert artifact.inspect()[0] is not None
    else:
        assert artifact.inspect() == (None, "")
        _commit(store, tmp_path / "again")
    untouched = _commit(LocalStore(tmp_path / "untouched"), tmp_path / "calm")
    assert manifest_of(artifact).content_digest() == manifest_of(untouched).content_digest()
    with held(store, artifact.lease_key) as lease:
        artifact.sweep(lease)
    assert len(artifact.objects()) == len(untouched.objects())


def test_what_a_killed_commit_left_is_not_mixed_in(store: LocalStore, tmp_path: Path) -> None:
    """Files of an interrupted commit lie apart from those of the next one, and go with the sweeping."""
    dying = FaultyStore(store, [POINTS["after 2 files"]])
    work = {"a": b"old", "stale": b"x", "z": b""}
    assert exit_code(start(lambda: _commit(dying, tmp_path / "out", work))) == -9
    left = set(store.list("artifacts/train/" + "f" * 64 + "/attempts"))
    assert len(left) == 3
    artifact = _commit(store, tmp_path / "again")
    assert left <= set(store.list("artifacts"))
    with held(store, artifact.lease_key) as lease:
        artifact.sweep(lease)
    outputs = {key_of(artifact, name) for name in FILES}
    assert set(store.list(f"{artifact.prefix}/attempts")) == {f"{artifact.prefix}/attempts/0002/attempt.json", *outputs}


def test_lost_lease_commits_nothing(store: LocalStore, tmp_path: Path) -> None:
    """A process whose lease was taken leaves neither files nor a manifest."""
    artifact = Artifact(store, "train", "f" * 64)
    with held(store, artifact.lease_key) as lease:
        attempt = Attempt.begin(artifact)
        steal(store, artifact.lease_key)
        with pytest.raises(LeaseLost):
            attempt.commit(write(tmp_path / "out", FILES), {}, lease)
    assert artifact.objects() == ["attempts/0001/attempt.json", "lease.json"]


@pytest.mark.parametrize("after", [1, 2, 3])
def test_lease_lost_during_the_upload(store: LocalStore, tmp_path: Path, after: int) -> None:
    """Taken over between two files, the loser goes on below its own number at most, and commits nothing."""
    artifact = Artifact(store, "train", "f" * 64)
    robbed = FaultyStore(
        store, [Fault("put_file", lambda _: steal(store, artifact.lease_key), at="after", skip=after - 1, times=1)]
    )
    with pytest.raises(LeaseLost):
        _commit(robbed, tmp_path / "out")
    assert {key.split("/")[4] for key in robbed.keys("put_file")} == {"0001"}
    assert artifact.inspect() == (None, "")


def test_somebody_else_committed_the_same(store: LocalStore, tmp_path: Path) -> None:
    """Committing what is there already gives the stored manifest and changes nothing."""
    first = manifest_of(_commit(store, tmp_path / "out"))
    stat = store.stat(f"artifacts/train/{'f' * 64}/manifest.json")
    assert manifest_of(_commit(store, tmp_path / "again")) == first
    assert store.stat(f"artifacts/train/{'f' * 64}/manifest.json") == stat


def test_somebody_else_committed_something_else(store: LocalStore, tmp_path: Path, said: Said) -> None:
    """Two results for one fingerprint are an IntegrityError, not a silent choice."""
    _commit(store, tmp_path / "out")
    with said.raised(IntegrityError):
        _commit(store, tmp_path / "again", {"a": b"other"})


def test_a_late_commit_destroys_nothing(store: LocalStore, tmp_path: Path, said: Said) -> None:
    """A process that comes with a result of its own leaves the committed files whole."""
    artifact = _commit(store, tmp_path / "out")
    with said.raised(IntegrityError):
        _commit(store, tmp_path / "again", {"a": b"other"})
    assert artifact.faults(manifest_of(artifact)) == []


def test_a_damaged_commit_is_replaced(store: LocalStore, tmp_path: Path) -> None:
    """A manifest whose files are gone does not stand in the way of a whole result."""
    artifact = _commit(store, tmp_path / "out")
    store.delete(key_of(artifact, "a"))
    _commit(store, tmp_path / "again")
    assert artifact.faults(manifest_of(artifact)) == []


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _newer(data: bytes) -> bytes:
    return json.dumps({**json.loads(data), "schema_version": 99}).encode()


@pytest.mark.parametrize("name", ["attempts/0001/output/a", "attempts/0001/output/b/c", "manifest.json"])
def test_damaged_is_not_reusable(store: LocalStore, tmp_path: Path, name: str) -> None:
    """Damage is said, the commit is taken back, and then the artifact counts as never made."""
    artifact = _commit(store, tmp_path / "out")
    spoil(Path(store.location, artifact.prefix, name), _cut)
    manifest, why = artifact.inspect()
    assert manifest is None
    assert why
    assert store.stat(artifact.manifest_key) is not None  # looking alone changes nothing
    with held(store, artifact.lease_key) as lease:
        assert artifact.reusable(lease) == (None, why)
    assert artifact.inspect() == (None, "")
    assert artifact.objects() == ["attempts/0001/attempt.json", "lease.json", "manifest.json"]
    assert store.get_bytes(artifact.manifest_key) == WITHDRAWN


def test_newer_is_left_alone(store: LocalStore, tmp_path: Path) -> None:
    """An artifact of a newer program is neither used nor taken away."""
    artifact = _commit(store, tmp_path / "out")
    spoil(Path(store.location, artifact.manifest_key), _newer)
    with held(store, artifact.lease_key) as lease:
        for call in (artifact.inspect, lambda: artifact.reusable(lease)):
            with pytest.raises(NewerFormat):
                call()
    assert store.get_bytes(f"{artifact.prefix}/attempts/0001/output/a") == b"one"


def test_sweep(store: LocalStore, tmp_path: Path) -> None:
    """What the manifest does not name goes, of this version and of older ones; the committed files stay."""
    artifact = _commit(store, tmp_path / "out")
    before = artifact.objects()
    for key in ("attempts/0001/checkpoints/step-1/files/x", "attempts/0001/output/y", "work/step-1/files/x", "files/z"):
        store.put_bytes(f"{artifact.prefix}/{key}", b"")
    with held(store, artifact.lease_key) as lease:
        artifact.sweep(lease)
    assert artifact.objects() == before


def test_sweeping_leaves_work_alone(store: LocalStore) -> None:
    """Without a manifest everything stays: the next attempt resumes from it."""
    artifact = Artifact(store, "train", "f" * 64)
    store.put_bytes(f"{artifact.prefix}/attempts/0001/checkpoints/step-1/files/x", b"")
    with held(store, artifact.lease_key) as lease:
        artifact.sweep(lease)
    assert "attempts/0001/checkpoints/step-1/files/x" in artifact.objects()


def test_a_lost_lease_sweeps_nothing(store: LocalStore, tmp_path: Path) -> None:
    """Who was taken over removes nothing that its successor may use."""
    artifact = _commit(store, tmp_path / "out")
    store.put_bytes(f"{artifact.prefix}/attempts/0001/checkpoints/step-1/files/x", b"")
    before = artifact.objects()
    with held(store, artifact.lease_key) as lease:
        steal(store, artifact.lease_key)
        with pytest.raises(LeaseLost):
            lease.confirm()
        artifact.sweep(lease)
    assert artifact.objects() == before


def test_an_artifact_of_an_older_version_is_read(store: LocalStore, tmp_path: Path) -> None:
    """A manifest of version 1 names no keys: its files lie in files/, and are found, checked and handed out."""
    artifact = _commit(store, tmp_path / "out")
    for name in FILES:
        store.put_file(f"{artifact.prefix}/files/{name}", Path(store.location, key_of(artifact, name)), move=True)
    store.delete(f"{artifact.prefix}/attempts/0001/attempt.json")
    spoil(Path(store.location, artifact.manifest_key), _as_version_1)
    manifest, why = artifact.inspect()
    assert why == ""
    assert manifest is not None
    folder = artifact.materialize(manifest)
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    artifact.tidy(manifest)
    assert artifact.inspect() == (manifest, "")
    assert [key for key in artifact.objects() if key.startswith("files/")] == [f"files/{name}" for name in FILES]


def _as_version_1(data: bytes) -> bytes:
    raw = json.loads(data)
    for entry in raw["files"]:
        del entry["key"]
    return json.dumps({**raw, "schema_version": 1}).encode()


def test_full_disk_commits_nothing(store: LocalStore, tmp_path: Path) -> None:
    """A disk that is full in the middle of the upload is a StorageError, and no manifest is written."""
    full = FaultyStore(store, [Fault("put_file", StorageError("The disk is full."), key="*/b/c")])
    with pytest.raises(StorageError):
        _commit(full, tmp_path / "out")
    artifact = _commit(store, tmp_path / "again")
    assert artifact.faults(manifest_of(artifact)) == []
