"""The store as a folder: the conformance suite, and what only a folder can get wrong."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.processes import exit_code, kill_self, running, start, until

from so8t_shared.errors import StorageError
from so8t_shared.store.base import ArtifactStore, ObjectStat
from so8t_shared.store.local import LocalStore
from so8t_shared.store.testing.contract import KEY
from so8t_shared.store.testing.faulty import FaultyStore
from so8t_shared.store.testing.suite import StoreSuite


class TestLocalStore(StoreSuite):
    """LocalStore under the conformance suite."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalStore:
        return LocalStore(tmp_path / "store")

    def reopened(self, store: ArtifactStore) -> LocalStore:
        return LocalStore(Path(store.location))

    def raw_write(self, store: ArtifactStore, key: str, data: bytes) -> None:
        path = Path(store.location, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def raw_keys(self, store: ArtifactStore) -> set[str]:
        root = Path(store.location)
        files = {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()}
        return {name for name in files if not name.startswith(".local/")}


class TestFaultyStore(TestLocalStore):
    """Without faults it is as the store that it wraps."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> FaultyStore:
        return FaultyStore(LocalStore(tmp_path / "store"))

    def reopened(self, store: ArtifactStore) -> FaultyStore:
        return FaultyStore(super().reopened(store))


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def test_reading_makes_no_folder(tmp_path: Path) -> None:
    """A store that nobody has written is empty, and is not there afterwards; the first write makes it."""
    root = tmp_path / "run" / "store"
    store = LocalStore(root)
    assert (store.get_bytes(KEY), store.stat(KEY), store.local_path(KEY), store.checksum(KEY)) == (None,) * 4
    assert (store.read_versioned(KEY), store.get_file(KEY, tmp_path / "target")) == (None, None)
    assert list(store.list("artifacts")) == []
    store.delete(KEY)
    assert list(tmp_path.iterdir()) == []
    store.put_bytes(KEY, b"x")
    assert LocalStore(root).get_bytes(KEY) == b"x"


@pytest.mark.parametrize("write", ["put_bytes", "put_file", "put_if_absent"])
def test_each_write_can_be_the_first(tmp_path: Path, write: str) -> None:
    """Whichever comes first makes what the store needs."""
    (tmp_path / "source").write_bytes(b"x")
    store = LocalStore(tmp_path / "store")
    getattr(store, write)(KEY, tmp_path / "source" if write == "put_file" else b"x")
    assert store.get_bytes(KEY) == b"x"


def test_artifacts_are_read_only_files(store: LocalStore, tmp_path: Path) -> None:
    """Objects below artifacts/ cannot be overwritten by accident; markers elsewhere stay ordinary files."""
    (tmp_path / "source").write_bytes(b"x")
    for key, mode in ((KEY, 0o444), ("sessions/a/session.json", 0o644)):
        store.put_bytes(key, b"x")
        assert stat.S_IMODE(Path(store.location, key).stat().st_mode) == mode
    store.put_file(KEY, tmp_path / "source", move=True)
    assert stat.S_IMODE(Path(store.location, KEY).stat().st_mode) == 0o444


def test_delete_takes_empty_folders_away(store: LocalStore) -> None:
    """Deleting the last object of a folder leaves no empty folder, and never the root."""
    store.put_bytes("a/b/c", b"")
    store.put_bytes("a/d", b"")
    store.delete("a/b/c")
    assert not Path(store.location, "a/b").exists()
    store.delete("a/d")
    assert sorted(p.name for p in Path(store.location).iterdir()) == [".local"]


def test_move_takes_the_source(store: LocalStore, tmp_path: Path) -> None:
    """On the same disk nothing is copied: the object is the source's own inode."""
    source = tmp_path / "source"
    source.write_bytes(b"x")
    inode = source.stat().st_ino
    store.put_file(KEY, source, move=True)
    assert not source.exists()
    assert Path(store.location, KEY).stat().st_ino == inode


def test_hard_linked_source_replaces_its_twin(store: LocalStore, tmp_path: Path) -> None:
    """Moving in a hard link of the object that is there already leaves the object and no temporary file."""
    store.put_bytes(KEY, b"x")
    os.link(Path(store.location, KEY), tmp_path / "twin")
    store.put_file(KEY, tmp_path / "twin", move=True)
    assert store.get_bytes(KEY) == b"x"
    assert _temporary_files(store) == []


def test_nothing_temporary_is_left(store: LocalStore, tmp_path: Path) -> None:
    """Ordinary writes, won and lost ones, leave no temporary file."""
    (tmp_path / "source").write_bytes(b"x")
    store.put_bytes(KEY, b"1")
    store.put_file(KEY, tmp_path / "source")
    store.put_if_absent(KEY, b"2")
    store.compare_and_put(KEY, b"3", "wrong")
    with pytest.raises(FileNotFoundError) as caught:
        store.put_file(KEY, tmp_path / "missing")
    assert caught.value.filename == str(tmp_path / "missing")
    assert _temporary_files(store) == []


def test_old_leftovers_of_killed_writers_are_removed(store: LocalStore) -> None:
    """Opening the store removes temporary files of yesterday, not those of writers that may be alive."""
    store.put_bytes(KEY, b"x")
    folder = store.local_root / "tmp"
    for name in ("old", "fresh"):
        (folder / name).write_bytes(b"half")
    yesterday = time.time() - 2 * 86400
    os.utime(folder / "old", (yesterday, yesterday))
    LocalStore(Path(store.location))
    assert [p.name for p in _temporary_files(store)] == ["fresh"]


@pytest.mark.parametrize("move", [True, False], ids=["moved", "copied"])
def test_files_of_killed_writers_are_removed_at_once(store: LocalStore, tmp_path: Path, move: bool) -> None:
    """What a process was killed in the middle of writing goes when the store is next opened, not a day later."""
    (tmp_path / "source").write_bytes(b"gigabytes")
    dying = _Dying(Path(store.location))
    assert exit_code(start(lambda: dying.put_file(KEY, tmp_path / "source", move=move))) == -9
    assert len(_temporary_files(store)) == 1
    LocalStore(Path(store.location))
    assert _temporary_files(store) == []


def test_files_of_living_writers_stay(store: LocalStore, tmp_path: Path) -> None:
    """Opening the store does not touch what another process is writing."""
    (tmp_path / "source").write_bytes(b"x")
    waiting = _Waiting(Path(store.location), tmp_path)
    with running(lambda: waiting.put_file(KEY, tmp_path / "source", move=True)) as process:
        until((tmp_path / "waiting").is_file, "the write")
        LocalStore(Path(store.location))
        (tmp_path / "go").touch()
        assert exit_code(process) == 0
    assert store.get_bytes(KEY) == b"x"
    assert _temporary_files(store) == []


def test_one_odd_entry_keeps_no_other(store: LocalStore) -> None:
    """A folder among the temporary files does not end the cleaning."""
    store.put_bytes(KEY, b"x")
    folder = store.local_root / "tmp"
    yesterday = time.time() - 2 * 86400
    for number in range(20):
        (folder / f"file-{number}").write_bytes(b"half")
        (folder / f"folder-{number}").mkdir()
    for path in folder.iterdir():
        os.utime(path, (yesterday, yesterday))
    LocalStore(Path(store.location))
    assert {path.name.partition("-")[0] for path in _temporary_files(store)} == {"folder"}


class _Dying(LocalStore):
    """Killed between taking a file and giving it its name."""

    def _install(self, temporary: Path, target: Path) -> ObjectStat:
        kill_self()


class _Waiting(LocalStore):
    """Waits between taking a file and giving it its name."""

    def __init__(self, root: Path, notes: Path) -> None:
        super().__init__(root)
        self._notes = notes

    def _install(self, temporary: Path, target: Path) -> ObjectStat:
        (self._notes / "waiting").touch()
        until((self._notes / "go").is_file, "the permission")
        return super()._install(temporary, target)


class _Interleaved(LocalStore):
    """Lets another client change the object between compare_and_put's look and its write."""

    def __init__(self, root: Path, other: Callable[[], object]) -> None:
        super().__init__(root)
        self._other = threading.Thread(target=other)

    def stat(self, key: str) -> ObjectStat | None:
        found = super().stat(key)
        self._other.start()
        self._other.join(timeout=0.5)
        return found

    def wait(self) -> None:
        self._other.join()


@pytest.mark.parametrize(("change", "left"), [("put_bytes", b"plain"), ("put_file", b"plain"), ("delete", None)])
def test_conditional_writes_stand_against_plain_ones(
    store: LocalStore, tmp_path: Path, change: str, left: bytes | None
) -> None:
    """A put or delete that comes while compare_and_put looks and writes is not undone by it."""
    etag = store.put_bytes("k", b"").etag
    (tmp_path / "source").write_bytes(b"plain")
    arguments = {"put_bytes": ("k", b"plain"), "put_file": ("k", tmp_path / "source"), "delete": ("k",)}[change]
    other = _Interleaved(Path(store.location), lambda: getattr(store, change)(*arguments))
    other.compare_and_put("k", b"conditional", etag)
    other.wait()
    assert store.get_bytes("k") == left


def test_file_in_place_of_a_folder(tmp_path: Path, said: Said) -> None:
    """A file where the store's folder should be is named."""
    (tmp_path / "store").write_text("a file")
    with said.raised(StorageError, where=f"{tmp_path / 'store'}/"):
        LocalStore(tmp_path / "store")


@pytest.mark.parametrize("write", ["put_bytes", "put_file", "put_if_absent"])
def test_object_in_place_of_a_folder(store: LocalStore, tmp_path: Path, write: str) -> None:
    """Writing below an existing object is a StorageError, not 'somebody else was first'."""
    store.put_bytes("a/b", b"x")
    (tmp_path / "source").write_bytes(b"x")
    with pytest.raises(StorageError):
        getattr(store, write)("a/b/c", tmp_path / "source" if write == "put_file" else b"x")
    assert store.get_bytes("a/b") == b"x"
    assert _temporary_files(store) == []


def _temporary_files(store: LocalStore) -> list[Path]:
    return list((store.local_root / "tmp").iterdir())
