"""Checkpoints: complete ones survive a kill, others never show."""

from __future__ import annotations

import hashlib
import random
import time
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.material import held, spoil, steal, write
from tests.unit.shared.processes import exit_code, kill, kill_self, start

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.attempts import Attempt
from so8t_shared.artifacts.checkpoints import Checkpoints
from so8t_shared.artifacts.digests import remember_written
from so8t_shared.errors import InputError, IntegrityError, LeaseLost, NewerFormat
from so8t_shared.files import link_or_copy
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.local import LocalStore
from so8t_shared.store.testing.faulty import Fault, FaultyStore

NEWER = b'{"schema_version": 99}'


@pytest.fixture
def checkpoints(store: LocalStore) -> Checkpoints:
    return _open(store)


def _open(store: ArtifactStore) -> Checkpoints:
    return Checkpoints(Attempt.begin(Artifact(store, "train", "f" * 64)))


def test_save_and_load(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """A saved folder comes back byte for byte, nested files and one called manifest.json included."""
    files = {"weights": b"w" * 1000, "state/step.json": b"{}", "manifest.json": b"the stage's own"}
    checkpoints.save("step-000010", write(tmp_path / "out", files))
    assert checkpoints.names() == ["step-000010"]
    folder = checkpoints.load("step-000010")
    assert {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == files


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="only Linux counts what a process reads")
def test_what_was_written_and_digested_here_is_not_read_again(store: LocalStore, tmp_path: Path) -> None:
    """Through a checkpoint, a link and the commit: the store knows the bytes, although it sets the file's time."""
    artifact, folder = Artifact(store, "train", "f" * 64), write(tmp_path / "made", {"large": bytes(1 << 24)})
    remember_written(folder / "large", hashlib.sha256(bytes(1 << 24)).hexdigest())
    before = _read_bytes()
    with held(store, artifact.lease_key) as lease:
        attempt = Attempt.begin(artifact)
        checkpoints = Checkpoints(attempt, lease)
        checkpoints.save("large", folder)
        link_or_copy(checkpoints.load("large") / "large", tmp_path / "output" / "large")
        manifest = attempt.commit(tmp_path / "output", {}, lease)
    assert artifact.faults(manifest, read=True) == []
    assert _read_bytes() - before < 1 << 20
    assert manifest.files[0].sha256 == hashlib.sha256(bytes(1 << 24)).hexdigest()


def _read_bytes() -> int:
    return int(Path("/proc/self/io").read_text().split()[1])


def test_names_are_sorted(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """The newest of well-named checkpoints is the last."""
    for step in (30, 10, 20):
        checkpoints.save(f"step-{step:06d}", write(tmp_path / "out", {"x": b"%d" % step}))
    assert checkpoints.names() == ["step-000010", "step-000020", "step-000030"]


def test_same_name_replaces(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """A second save under a name leaves nothing of the first."""
    checkpoints.save("state", write(tmp_path / "out", {"old": b"1", "both": b"1"}))
    checkpoints.save("state", write(tmp_path / "out", {"both": b"2"}))
    folder = checkpoints.load("state")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {"both": b"2"}


def test_drop(checkpoints: Checkpoints, store: LocalStore, tmp_path: Path) -> None:
    """A dropped checkpoint is gone with its files; dropping nothing is fine."""
    checkpoints.save("one", write(tmp_path / "out", {"x": b""}))
    checkpoints.drop("one")
    checkpoints.drop("one")
    assert checkpoints.names() == []
    assert [key.split("/")[-1] for key in store.list("artifacts")] == ["attempt.json"]


def test_absent_is_an_input_error(checkpoints: Checkpoints, said: Said) -> None:
    """Loading what was never saved says so."""
    with said.raised(InputError):
        checkpoints.load("x")


@pytest.mark.parametrize("name", ["", "a/b", "..", "../../files", "/a"])
def test_odd_names_are_refused(checkpoints: Checkpoints, tmp_path: Path, name: str) -> None:
    """A name is one part of a key; one that would be saved and never listed is refused."""
    with pytest.raises(InputError):
        checkpoints.save(name, write(tmp_path / "out", {"x": b""}))


@pytest.mark.parametrize("name", ["files/weights", "manifest.json"])
def test_a_damaged_one_does_not_count(checkpoints: Checkpoints, store: LocalStore, tmp_path: Path, name: str) -> None:
    """A checkpoint with a cut file is not offered, so that the stage resumes from the one before."""
    for step in ("step-1", "step-2"):
        checkpoints.save(step, write(tmp_path / "out", {"weights": b"w" * 1000}))
    spoil(
        Path(store.location, f"artifacts/train/{'f' * 64}/attempts/0001/checkpoints/step-2", name),
        lambda data: data[:-1],
    )
    assert checkpoints.names() == ["step-1"]
    with pytest.raises(IntegrityError):
        checkpoints.load("step-2")


def test_a_newer_programs_does_not_count(checkpoints: Checkpoints, store: LocalStore, tmp_path: Path) -> None:
    """It is not offered either; whoever asks for it by name learns that it is newer."""
    checkpoints.save("step-1", write(tmp_path / "out", {"weights": b"w"}))
    store.put_bytes(f"artifacts/train/{'f' * 64}/work/step-2/manifest.json", NEWER)
    assert checkpoints.names() == ["step-1"]
    with pytest.raises(NewerFormat):
        checkpoints.load("step-2")


def test_killed_while_saving(store: LocalStore, tmp_path: Path) -> None:
    """SIGKILL at random moments of saving under new names: every listed checkpoint is whole, earlier ones stay."""
    size, choose = 300_000, random.Random(3)

    def save() -> None:
        mine = _open(LocalStore(Path(store.location)))
        first = len(mine.names())
        for step in range(first, 1000):
            data = {name: b"%03d" % step + name.encode() * size for name in "ab"}
            mine.save(f"step-{step:03d}", write(tmp_path / "out", data))

    seen = 0
    for _ in range(6):
        writer = start(save)
        time.sleep(choose.uniform(0.05, 0.25))
        kill(writer)
        names = _open(store).names()
        assert len(names) >= seen
        seen = len(names)
        for name in names:
            folder = _open(store).load(name)
            assert {p.name for p in folder.iterdir()} == {"a", "b"}
            assert {p.read_bytes()[:3] for p in folder.iterdir()} == {name[-3:].encode()}
    assert seen > 0


def test_killed_before_its_manifest(store: LocalStore, tmp_path: Path) -> None:
    """All files uploaded but the manifest missing is no checkpoint."""
    dying = FaultyStore(store, [Fault("put_bytes", kill_self, key="*/manifest.json")])
    assert exit_code(start(lambda: _open(dying).save("one", write(tmp_path / "out", {"x": b"1"})))) == -9
    assert _open(store).names() == []
    _open(store).save("one", write(tmp_path / "again", {"x": b"2"}))
    assert (_open(store).load("one") / "x").read_bytes() == b"2"


STEPS = ["step-000020", "step-000030"]


def test_after_a_takeover_nothing_is_touched(store: LocalStore, tmp_path: Path) -> None:
    """A process whose lease was taken neither saves nor drops: the new holder's checkpoints stay the newest."""
    artifact = Artifact(store, "train", "f" * 64)
    with held(store, artifact.lease_key) as lease:
        ours, theirs = Checkpoints(Attempt.begin(artifact), lease), _open(store)
        ours.save("step-000010", write(tmp_path / "a", {"x": b"ours"}))
        steal(store, artifact.lease_key)
        for name in STEPS:
            theirs.save(name, write(tmp_path / "b", {"x": b"theirs"}))
        before = sorted(store.list("artifacts"))
        for attempt in (
            lambda: ours.save("step-000040", write(tmp_path / "a", {"x": b"ours"})),
            lambda: ours.save("step-000030", write(tmp_path / "a", {"x": b"ours"})),
            lambda: ours.drop("step-000020"),
        ):
            with pytest.raises(LeaseLost):
                attempt()
        assert sorted(store.list("artifacts")) == before
        assert (theirs.load("step-000030") / "x").read_bytes() == b"theirs"


def test_a_late_saver_harms_nothing(store: LocalStore, tmp_path: Path) -> None:
    """An attempt that wakes up after a takeover and saves on has its own place: the successor's files count."""
    late, successor = _open(store), _open(store)
    successor.save("state", write(tmp_path / "b", {"x": b"theirs"}))
    late.save("state", write(tmp_path / "a", {"x": b"late", "y": b"late"}))
    for one in (late, successor):
        assert {p.name: p.read_bytes() for p in one.load("state").iterdir()} == {"x": b"theirs"}


def test_a_new_attempt_has_the_earlier_ones_checkpoints(store: LocalStore, tmp_path: Path) -> None:
    """They are listed, loaded and dropped as its own; of one name the newest attempt's counts."""
    _open(store).save("one", write(tmp_path / "a", {"x": b"1"}))
    second = _open(store)
    second.save("two", write(tmp_path / "a", {"x": b"2"}))
    second.save("one", write(tmp_path / "a", {"x": b"3"}))
    third = _open(store)
    assert third.names() == ["one", "two"]
    assert (third.load("one") / "x").read_bytes() == b"3"
    third.drop("one")
    assert third.names() == ["two"]
    assert not [key for key in store.list("artifacts") if "/checkpoints/one/" in key]


def test_an_earlier_attempts_one_stands_in_for_a_damaged_one(store: LocalStore, tmp_path: Path) -> None:
    """What the newest attempt saved under a name is cut: the one before is still whole."""
    for data in (b"first", b"second"):
        _open(store).save("state", write(tmp_path / "a", {"x": data}))
    spoil(Path(store.location, f"artifacts/train/{'f' * 64}/attempts/0002/checkpoints/state/files/x"), lambda _: b"")
    checkpoints = _open(store)
    assert checkpoints.names() == ["state"]
    assert (checkpoints.load("state") / "x").read_bytes() == b"first"


def test_an_earlier_attempts_one_stands_in_for_a_newer_programs(store: LocalStore, tmp_path: Path) -> None:
    """What cannot be read hides no checkpoint of the same name that can."""
    _open(store).save("step-1", write(tmp_path / "out", {"x": b"1"}))
    later = _open(store)
    store.put_bytes(f"artifacts/train/{'f' * 64}/attempts/0002/checkpoints/step-1/manifest.json", NEWER)
    assert later.names() == ["step-1"]
    assert (later.load("step-1") / "x").read_bytes() == b"1"


def test_one_of_an_older_version_is_resumed_from(store: LocalStore, tmp_path: Path) -> None:
    """Work that was interrupted before an update goes on: its checkpoints lie in work/."""
    _open(store).save("step-1", write(tmp_path / "a", {"x": b"1"}))
    artifact = Path(store.location, "artifacts", "train", "f" * 64)
    (artifact / "attempts/0001/checkpoints").rename(artifact / "work")
    checkpoints = _open(store)
    assert checkpoints.names() == ["step-1"]
    assert (checkpoints.load("step-1") / "x").read_bytes() == b"1"
