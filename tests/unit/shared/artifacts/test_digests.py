"""Remembered digests: right whenever bytes change, and never in the way."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.unit.shared.namespaces import run_on_small_disk, run_read_only
from tests.unit.shared.processes import race

from so8t_shared.artifacts.digests import DigestCache, ObjectDigests


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def cache(tmp_path: Path) -> DigestCache:
    return DigestCache(tmp_path / "cache" / "digests.sqlite")


def _poison(tmp_path: Path, value: str) -> None:
    """Overwrite every remembered digest, so that a remembered answer can be told from a computed one."""
    with closing(sqlite3.connect(tmp_path / "cache" / "digests.sqlite")) as connection, connection:
        assert connection.execute("UPDATE file SET sha256 = ?", (value,)).rowcount


def test_an_unchanged_file_is_read_once(cache: DigestCache, tmp_path: Path) -> None:
    """The second answer comes from memory, also in another process's cache."""
    file = tmp_path / "f"
    file.write_bytes(b"x")
    assert cache.sha256(file) == sha(b"x")
    _poison(tmp_path, "remembered")
    assert cache.sha256(file) == "remembered"
    assert DigestCache(tmp_path / "cache" / "digests.sqlite").sha256(file) == "remembered"


@pytest.mark.parametrize("change", ["bytes", "touch", "replace by same size and time"])
def test_a_changed_file_is_read_again(cache: DigestCache, tmp_path: Path, change: str) -> None:
    """Other bytes, another time or another inode make the memory worthless; the answer is the true one."""
    file = tmp_path / "f"
    file.write_bytes(b"old")
    before = file.stat()
    cache.sha256(file)
    _poison(tmp_path, "remembered")
    if change == "bytes":
        file.write_bytes(b"newer")
    elif change == "touch":
        os.utime(file, ns=(1, 1))
    else:
        other = tmp_path / "other"
        other.write_bytes(b"new")
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        other.replace(file)
    assert cache.sha256(file) == sha(file.read_bytes())


def test_a_moved_file_keeps_its_digest(cache: DigestCache, tmp_path: Path) -> None:
    """Moving costs a reading, and gives the same digest."""
    (tmp_path / "a").write_bytes(b"x")
    first = cache.sha256(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    assert cache.sha256(tmp_path / "b") == first


def test_remember(cache: DigestCache, tmp_path: Path) -> None:
    """What we have just written need not be read again."""
    (tmp_path / "f").write_bytes(b"x")
    cache.remember(tmp_path / "f", "told")
    assert cache.sha256(tmp_path / "f") == "told"


def test_relative_paths_are_their_absolute_ones(
    cache: DigestCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same relative name in another working folder is another file."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_bytes(name.encode())
    answers = []
    for name in ("a", "b"):
        monkeypatch.chdir(tmp_path / name)
        answers.append(cache.sha256(Path("f")))
    assert answers == [sha(b"a"), sha(b"b")]


@pytest.mark.parametrize("damage", ["no database", "cut in the middle", "pages overwritten", "a folder", "other table"])
def test_a_damaged_memory_is_forgotten(cache: DigestCache, tmp_path: Path, damage: str) -> None:
    """Whatever became of the database file, digests are right and no error is raised."""
    database = tmp_path / "cache" / "digests.sqlite"
    files = [tmp_path / f"f{i}" for i in range(200)]
    for file in files:
        file.write_bytes(file.name.encode())
        cache.sha256(file)
    data = database.read_bytes()
    database.unlink()
    if damage == "no database":
        database.write_bytes(b"not a database" * 1000)
    elif damage == "cut in the middle":
        database.write_bytes(data[: len(data) // 2])
    elif damage == "pages overwritten":
        database.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    elif damage == "a folder":
        database.mkdir()
    else:
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("CREATE TABLE file (something INTEGER)")
    for _ in range(2):
        assert [cache.sha256(file) for file in files] == [sha(file.name.encode()) for file in files]
    cache.remember(files[0], sha(files[0].read_bytes()))


def test_sixteen_processes_at_once(tmp_path: Path) -> None:
    """Processes that open a new database at the same moment all get right answers, and it is whole afterwards."""
    files = [tmp_path / f"f{i}" for i in range(20)]
    for file in files:
        file.write_bytes(file.name.encode())

    def work(_: int) -> list[str]:
        cache = DigestCache(tmp_path / "cache" / "digests.sqlite")
        return [cache.sha256(file) for file in files]

    assert race(16, work) == [[sha(file.name.encode()) for file in files]] * 16
    with closing(sqlite3.connect(tmp_path / "cache" / "digests.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM file").fetchone() == (20,)


def test_a_locked_memory_is_not_deleted(cache: DigestCache, tmp_path: Path) -> None:
    """Another process that holds the database for long costs the memory, not the other's data."""
    impatient = DigestCache(tmp_path / "cache" / "digests.sqlite", patience_s=0.1)
    (tmp_path / "f").write_bytes(b"x")
    cache.sha256(tmp_path / "f")
    with closing(sqlite3.connect(tmp_path / "cache" / "digests.sqlite")) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        assert impatient.sha256(tmp_path / "f") == sha(b"x")
        impatient.remember(tmp_path / "f", "told")
        holder.rollback()
    _poison(tmp_path, "remembered")
    assert cache.sha256(tmp_path / "f") == "remembered"


def test_a_name_that_is_not_text(cache: DigestCache, tmp_path: Path) -> None:
    """A file whose name is no UTF-8 has a digest like any other."""
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/r\xe9sum\xe9"))
    file.write_bytes(b"x")
    assert cache.sha256(file) == sha(b"x")


def test_missing_files_are_told(cache: DigestCache, tmp_path: Path) -> None:
    """There is no digest of nothing."""
    with pytest.raises(FileNotFoundError):
        cache.sha256(tmp_path / "missing")


def test_without_room_or_right_to_remember(tmp_path: Path) -> None:
    """On a full and on a read-only disk digests are computed, only not remembered."""
    code = """
        import shutil
        from so8t_shared.artifacts.digests import DigestCache, ObjectDigests
        source = Path('/etc/hostname')
        cache = DigestCache(folder / 'sub' / 'digests.sqlite')
        try:
            (folder / 'filler').write_bytes(b'x' * 10_000_000)
        except OSError:
            pass
        print(cache.sha256(source) == cache.sha256(source))
        cache.remember(source, '0' * 64)
        """
    (tmp_path / "disk").mkdir()
    assert run_on_small_disk(tmp_path / "disk", code, size="64k") == "True\n"
    assert run_read_only(tmp_path / "disk", code) == "True\n"
    shutil.rmtree(tmp_path / "disk")


@pytest.mark.parametrize("version", [0, 1, 99])
def test_a_memory_of_another_version_is_forgotten(cache: DigestCache, tmp_path: Path, version: int) -> None:
    """What another version of this program noted is not believed, whatever its tables are called; then it is ours."""
    (tmp_path / "f").write_bytes(b"x")
    cache.sha256(tmp_path / "f")
    _poison(tmp_path, "remembered")
    with closing(sqlite3.connect(tmp_path / "cache" / "digests.sqlite")) as connection, connection:
        connection.execute("CREATE TABLE digest (path BLOB PRIMARY KEY, state TEXT NOT NULL, sha256 TEXT NOT NULL)")
        connection.execute(f"PRAGMA user_version = {version}")
    assert cache.sha256(tmp_path / "f") == sha(b"x")
    _poison(tmp_path, "remembered")
    assert cache.sha256(tmp_path / "f") == "remembered"


@pytest.fixture
def objects(tmp_path: Path) -> ObjectDigests:
    return ObjectDigests(tmp_path / "digests.sqlite")


def test_an_object_is_remembered_by_its_etag(objects: ObjectDigests, tmp_path: Path) -> None:
    """The digest of an object counts for the etag it was noted with, and for no other."""
    assert objects.recall("http://s/b/key", "etag-1") is None
    objects.note("http://s/b/key", "etag-1", "a" * 64)
    assert ObjectDigests(tmp_path / "digests.sqlite").recall("http://s/b/key", "etag-1") == "a" * 64
    assert objects.recall("http://s/b/key", "etag-2") is None
    objects.note("http://s/b/key", "etag-2", "b" * 64)
    assert objects.recall("http://s/b/key", "etag-2") == "b" * 64
    assert objects.recall("http://s/b/key", "etag-1") is None


def test_a_doubt_holds_until_somebody_has_read(objects: ObjectDigests, tmp_path: Path) -> None:
    """An object in doubt has no digest, for that etag alone; bytes that were read end it."""
    objects.note("key", "etag-1", "a" * 64)
    objects.doubt("key", "etag-1")
    assert objects.recall("key", "etag-1") is None
    assert ObjectDigests(tmp_path / "digests.sqlite").in_doubt("key", "etag-1")
    assert not objects.in_doubt("key", "etag-2")
    objects.note("key", "etag-1", "a" * 64)
    assert not objects.in_doubt("key", "etag-1")
    assert objects.recall("key", "etag-1") == "a" * 64


def test_read_only(tmp_path: Path) -> None:
    """A cache that may only be read uses what is known, learns nothing, and makes no file, however damaged one is."""
    file = tmp_path / "file"
    file.write_bytes(b"x")
    absent = tmp_path / "none" / "digests.sqlite"
    assert DigestCache(absent, read_only=True).sha256(file) == hashlib.sha256(b"x").hexdigest()
    assert not absent.parent.exists()

    known, database = "0" * 64, tmp_path / "digests.sqlite"
    DigestCache(database).remember(file, known)
    before = database.read_bytes()
    assert DigestCache(database, read_only=True).sha256(file) == known
    file.write_bytes(b"yy")
    assert DigestCache(database, read_only=True).sha256(file) == hashlib.sha256(b"yy").hexdigest()
    assert database.read_bytes() == before

    database.write_bytes(b"no database" * 100)
    assert DigestCache(database, read_only=True).sha256(file) == hashlib.sha256(b"yy").hexdigest()
    assert database.read_bytes() == b"no database" * 100
