"""The commit protocol: whatever moment a process is killed at, an artifact is whole or not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.shared.material import commit, held, manifest_of, spoil, steal, write
from tests.unit.shared.processes import exit_code, kill_self, start

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.errors import IntegrityError, LeaseLost, NewerFormat
from so8t_shared.store.base import ObjectStat
from so8t_shared.store.local import LocalStore

FILES = {"a": b"one", "b/c": b"two" * 1000, "d": b"three"}
POINTS = ["before files", "after 1 file", "after 2 files", "before the manifest", "after the manifest"]


class DyingStore(LocalStore):
    """Kills its process at a named point of a commit."""

    def __init__(self, root: Path, point: str) -> None:
        super().__init__(root)
        self._point = point
        self._files = 0

    def put_file(self, key: str, source: Path, **options: Any) -> ObjectStat | None:
        if self._point == "before files":
            kill_self()
        stat = super().put_file(key, source, **options)
        self._files += 1
        if self._point == f"after {self._files} file{'s' if self._files > 1 else ''}":
            kill_self()
        return stat

    def put_if_absent(self, key: str, data: bytes) -> str | None:
        is_manifest = key.endswith("/manifest.json")
        if is_manifest and self._point == "before the manifest":
            kill_self()
        etag = super().put_if_absent(key, data)
        if is_manifest and self._point == "after the manifest":
            kill_self()
        return etag


def _commit(store: LocalStore, folder: Path, files: dict[str, bytes] = FILES) -> Artifact:
    return commit(store, folder, files)


def test_commit(store: LocalStore, tmp_path: Path) -> None:
    """The store holds exactly the files, the manifest and the lease; the manifest tells where it is from."""
    artifact = _commit(store, tmp_path / "out")
    expected = {artifact.manifest_key, artifact.lease_key, *(artifact.file_key(name) for name in FILES)}
    assert set(store.list("artifacts")) == expected
    manifest = manifest_of(artifact)
    assert manifest.key == {"stage": "train"}
    assert manifest.host
    assert manifest.created
    assert set(manifest.versions) == {"so8t-ab", "python"}
    assert artifact.inspect() == (manifest, "")


@pytest.mark.parametrize("point", POINTS)
def test_killed_anywhere_and_run_again(tmp_path: Path, point: str) -> None:
    """SIGKILL at each point: before the manifest nothing counts; a rerun ends with the same content either way."""
    root = tmp_path / "store"
    assert exit_code(start(lambda: _commit(DyingStore(root, point), tmp_path / "out"))) == -9
    store = LocalStore(root)
    artifact = Artifact(store, "train", "f" * 64)
    if point == "after the manifest":
        assert artifact.inspect()[0] is not None
    else:
        assert artifact.inspect() == (None, "")
        _commit(store, tmp_path / "again")
    untouched = _commit(LocalStore(tmp_path / "untouched"), tmp_path / "calm")
    assert manifest_of(artifact).content_digest() == manifest_of(untouched).content_digest()
    assert sorted(store.list("artifacts")) == sorted(untouched.store.list("artifacts"))


def test_what_a_killed_commit_left_is_not_mixed_in(tmp_path: Path) -> None:
    """Files of an interrupted commit that the next one does not make are gone."""
    root = tmp_path / "store"
    work = {"a": b"old", "stale": b"x", "z": b""}
    assert exit_code(start(lambda: _commit(DyingStore(root, "after 2 files"), tmp_path / "out", work))) == -9
    store = LocalStore(root)
    assert list(store.list("artifacts/train/" + "f" * 64 + "/files")) != []
    artifact = _commit(store, tmp_path / "again")
    assert set(store.list(f"{artifact.prefix}/files")) == {artifact.file_key(name) for name in FILES}


def test_lost_lease_commits_nothing(store: LocalStore, tmp_path: Path) -> None:
    """A process whose lease was taken leaves neither files nor a manifest."""
    artifact = Artifact(store, "train", "f" * 64)
    with held(store, artifact.lease_key) as lease:
        steal(store, artifact.lease_key)
        with pytest.raises(LeaseLost):
            artifact.commit(write(tmp_path / "out", FILES), {}, lease)
    assert set(store.list("artifacts")) == {artifact.lease_key}


@pytest.mark.parametrize("after", [1, 2, 3])
def test_lease_lost_during_the_upload(tmp_path: Path, after: int) -> None:
    """Taken over between two files, the loser stops there, so that it does not write over the winner's."""
    puts = []

    class Stolen(LocalStore):
        def put_file(self, key: str, source: Path, **options: Any) -> ObjectStat | None:
            stat = super().put_file(key, source, **options)
            puts.append(key)
            if len(puts) == after:
                steal(self, f"artifacts/train/{'f' * 64}/lease.json")
            return stat

    with pytest.raises(LeaseLost):
        _commit(Stolen(tmp_path / "store"), tmp_path / "out")
    assert len(puts) == after
    assert Artifact(LocalStore(tmp_path / "store"), "train", "f" * 64).inspect() == (None, "")


def test_somebody_else_committed_the_same(store: LocalStore, tmp_path: Path) -> None:
    """Committing what is there already gives the stored manifest and changes nothing."""
    first = manifest_of(_commit(store, tmp_path / "out"))
    stat = store.stat(f"artifacts/train/{'f' * 64}/manifest.json")
    assert manifest_of(_commit(store, tmp_path / "again")) == first
    assert store.stat(f"artifacts/train/{'f' * 64}/manifest.json") == stat


def test_somebody_else_committed_something_else(store: LocalStore, tmp_path: Path) -> None:
    """Two results for one fingerprint are an IntegrityError, not a silent choice."""
    _commit(store, tmp_path / "out")
    with pytest.raises(IntegrityError, match="different result"):
        _commit(store, tmp_path / "again", {"a": b"other"})


def test_a_late_commit_destroys_nothing(store: LocalStore, tmp_path: Path) -> None:
    """A process that comes with a result of its own leaves the committed files whole."""
    artifact = _commit(store, tmp_path / "out")
    with pytest.raises(IntegrityError, match="different result"):
        _commit(store, tmp_path / "again", {"a": b"other"})
    assert artifact.faults(manifest_of(artifact)) == []


def test_a_damaged_commit_is_replaced(store: LocalStore, tmp_path: Path) -> None:
    """A manifest whose files are gone does not stand in the way of a whole result."""
    artifact = _commit(store, tmp_path / "out")
    store.delete(artifact.file_key("a"))
    _commit(store, tmp_path / "again")
    assert artifact.faults(manifest_of(artifact)) == []


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _newer(data: bytes) -> bytes:
    return json.dumps({**json.loads(data), "schema_version": 99}).encode()


@pytest.mark.parametrize("name", ["files/a", "files/b/c", "manifest.json"])
def test_damaged_is_not_reusable(store: LocalStore, tmp_path: Path, name: str) -> None:
    """Damage is said, the commit is taken back, and then the artifact counts as never made."""
    artifact = _commit(store, tmp_path / "out")
    spoil(Path(store.location, artifact.prefix, name), _cut)
    manifest, why = artifact.inspect()
    assert manifest is None
    assert why
    assert store.stat(artifact.manifest_key) is not None  # looking alone changes nothing
    assert artifact.reusable() == (None, why)
    assert artifact.inspect() == (None, "")
    assert set(store.list("artifacts")) == {artifact.lease_key}


def test_newer_is_left_alone(store: LocalStore, tmp_path: Path) -> None:
    """An artifact of a newer program is neither used nor taken away."""
    artifact = _commit(store, tmp_path / "out")
    spoil(Path(store.location, artifact.manifest_key), _newer)
    for call in (artifact.inspect, artifact.reusable):
        with pytest.raises(NewerFormat):
            call()
    assert store.get_bytes(artifact.file_key("a")) == b"one"


def test_drop_work(store: LocalStore, tmp_path: Path) -> None:
    """Checkpoints go, the committed files stay."""
    artifact = _commit(store, tmp_path / "out")
    store.put_bytes(f"{artifact.prefix}/work/step-1/files/x", b"")
    before = set(store.list(f"{artifact.prefix}/files"))
    artifact.drop_work()
    assert list(store.list(f"{artifact.prefix}/work")) == []
    assert set(store.list(f"{artifact.prefix}/files")) == before


def test_full_disk_commits_nothing(store: LocalStore, tmp_path: Path) -> None:
    """A disk that is full in the middle of the upload is a StorageError, and no manifest is written."""
    from so8t_shared.errors import StorageError

    class Full(LocalStore):
        def put_file(self, key: str, source: Path, **options: Any) -> ObjectStat | None:
            if key.endswith("b/c"):
                raise StorageError("The disk is full.")
            return super().put_file(key, source, **options)

    with pytest.raises(StorageError):
        _commit(Full(Path(store.location)), tmp_path / "out")
    artifact = _commit(store, tmp_path / "again")
    assert artifact.faults(manifest_of(artifact)) == []
