"""Attempts: a number and a place of its own for each, so that a late one can harm nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.material import commit, held, key_of, manifest_of, spoil, write
from tests.unit.shared.processes import race

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.attempts import Attempt, AttemptRecord
from so8t_shared.errors import IntegrityError
from so8t_shared.host import host_name
from so8t_shared.store.local import LocalStore

FILES = {"a": b"one", "b/c": b"two"}


@pytest.fixture
def artifact(store: LocalStore) -> Artifact:
    """One that nobody has worked on."""
    return Artifact(store, "train", "f" * 64)


def test_each_has_the_next_number(store: LocalStore, artifact: Artifact) -> None:
    """A record says who made the attempt, and takes the number."""
    assert [Attempt.begin(artifact).number for _ in range(3)] == [1, 2, 3]
    key = f"{artifact.prefix}/attempts/0003/attempt.json"
    record = AttemptRecord.from_bytes(store.get_bytes(key) or b"", key)
    assert record.host == host_name()
    assert record.pid
    assert record.started


def test_no_two_have_the_same_number(store: LocalStore) -> None:
    """Eight processes that begin at once get eight numbers."""

    def work(_: int) -> int:
        return Attempt.begin(Artifact(LocalStore(Path(store.location)), "train", "f" * 64)).number

    assert sorted(race(8, work)) == list(range(1, 9))


def test_no_number_comes_back(store: LocalStore, tmp_path: Path) -> None:
    """After a sweep and after damage was taken away, the next attempt still has a higher number than any before."""
    for _ in range(2):
        Attempt.begin(Artifact(store, "train", "f" * 64))
    artifact = commit(store, tmp_path / "out", FILES)
    with held(store, artifact.lease_key) as lease:
        artifact.sweep(lease)
        assert sorted({key.split("/")[1] for key in artifact.objects() if key.startswith("attempts")}) == ["0003"]
        spoil(Path(store.location, key_of(artifact, "a")), lambda _: b"")
        artifact.reusable(lease)
    assert artifact.objects() == ["attempts/0003/attempt.json", "lease.json", "manifest.json"]
    assert artifact.manifest() is None
    assert Attempt.begin(artifact).number == 4


def test_a_late_commit_changes_nothing(artifact: Artifact, tmp_path: Path, said: Said) -> None:
    """An attempt that wakes up after its successor's commit adds files below its own number, and no manifest."""
    late = Attempt.begin(artifact)
    commit(artifact.store, tmp_path / "out", FILES)  # type: ignore[arg-type]
    manifest = manifest_of(artifact)
    with held(artifact.store, artifact.lease_key) as lease, said.raised(IntegrityError):
        late.commit(write(tmp_path / "late", {"a": b"late", "b/c": b"late"}), {}, lease)
    assert artifact.inspect() == (manifest, "")


class _LateDelete(LocalStore):
    """A store in which a suspended cleaner's DELETE arrives right before or after the manifest is written."""

    def __init__(self, root: Path, hit: str, *, before: bool) -> None:
        super().__init__(root)
        self.hit, self.before = hit, before

    def put_if_absent(self, key: str, data: bytes) -> str | None:
        manifest = key.endswith("/manifest.json")
        if manifest and self.before:
            self._delete_late(key)
        found = super().put_if_absent(key, data)
        if manifest and not self.before:
            self._delete_late(key)
        return found

    def _delete_late(self, manifest: str) -> None:
        self.delete(manifest.removesuffix("manifest.json") + self.hit)
        self.hit = "nothing"


@pytest.mark.parametrize(
    ("hit", "before"),
    [("attempts/0001/output/a", True), ("attempts/0001/output/a", False), ("manifest.json", False)],
)
def test_a_file_that_was_removed_meanwhile(
    store: LocalStore, tmp_path: Path, hit: str, before: bool, said: Said
) -> None:
    """A commit that lost a file, or its manifest, to a cleaner that woke late is no commit; the next one is whole."""
    late = _LateDelete(Path(store.location), hit, before=before)
    with said.raised(IntegrityError) as caught:
        commit(late, tmp_path / "out", FILES)
    assert caught.value.retryable
    assert Artifact(store, "train", "f" * 64).manifest() is None
    whole = commit(store, tmp_path / "again", FILES)
    assert whole.inspect() == (whole.manifest(), "")
    assert whole.manifest() is not None
