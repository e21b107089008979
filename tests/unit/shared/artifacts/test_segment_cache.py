"""Entries that are reused by later runs: few files, few writes, nothing lost but the last moment."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.servers.minio_server import MinioServer, minio
from tests.unit.shared.processes import kill, race, running, until
from tests.unit.shared.store.buckets import bucket_of, bucket_store

from so8t_shared.artifacts.segment_cache import WRITE_AFTER, WRITE_AFTER_S, SegmentCache
from so8t_shared.artifacts.segment_writer import ENTRIES
from so8t_shared.errors import InputError, StorageError
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.local import LocalStore

__all__ = ["minio"]

OWNER, OTHER = "a" * 64, "b" * 64


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def entry(number: int) -> dict[str, Any]:
    return {"answer": "日本語", "number": number, "digest": key(-number), "nested": {"b": [1, 2.5, None, True]}}


class Clock:
    """A clock that stands still unless it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _cache(store: ArtifactStore, clock: Clock | None = None, owner: str = OWNER) -> SegmentCache:
    again = LocalStore(Path(store.location)) if isinstance(store, LocalStore) else store
    return SegmentCache(again, "samples", owner, **({"clock": clock} if clock else {}))


def _fill(store: ArtifactStore, numbers: range, owner: str = OWNER, clock: Clock | None = None) -> None:
    with _cache(store, clock, owner) as cache:
        for number in numbers:
            cache.put(key(number), entry(number))


def _found(store: ArtifactStore, numbers: range, owner: str = OWNER) -> list[int]:
    cache = _cache(store, owner=owner)
    got = {number: cache.get(key(number)) for number in numbers}
    assert all(value in (None, entry(number)) for number, value in got.items())
    return [number for number, value in got.items() if value]


def test_put_and_get(store: LocalStore) -> None:
    """An entry comes back as it was, at once and in another process's cache; another key or namespace has none."""
    with _cache(store) as cache:
        cache.put(key(1), entry(1))
        assert cache.get(key(1)) == entry(1)
    assert _cache(store).get(key(1)) == entry(1)
    assert _cache(store).get(key(2)) is None
    assert SegmentCache(store, "other", OWNER).get(key(1)) is None
    (name,) = store.list("cache")
    assert name.startswith(f"cache/samples/{OWNER}/")


def test_the_last_entry_wins(store: LocalStore) -> None:
    """Within a cache, and across caches that were opened one after the other."""
    with _cache(store) as cache:
        cache.put(key(1), {"x": 1})
        cache.put(key(1), {"x": 2})
    with _cache(store) as cache:
        assert cache.get(key(1)) == {"x": 2}
        cache.put(key(1), {"x": 3})
        assert cache.get(key(1)) == {"x": 3}
    assert _cache(store).get(key(1)) == {"x": 3}


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the flushes to the disk."""
    counted, fsync = Counter[str](), os.fsync

    def count(handle: int) -> None:
        counted["fsync"] += 1
        fsync(handle)

    monkeypatch.setattr(os, "fsync", count)
    return counted


def test_many_entries_make_few_files_and_flushes(store: LocalStore, clock: Clock, syncs: Counter[str]) -> None:
    """At most one flush to the disk per 64 entries, and a file per 2,048."""
    count = 5 * ENTRIES
    _fill(store, range(count), clock=clock)
    assert syncs["fsync"] <= count / 64
    assert len(list(store.list("cache"))) <= 1 + count / ENTRIES
    assert _found(store, range(count)) == list(range(count))


def test_slow_entries_are_written_once_a_second(store: LocalStore, clock: Clock) -> None:
    """The first entry a second after the last write takes all that came before it along."""
    cache = _cache(store, clock)
    written = []
    for number in range(30):
        clock.now += WRITE_AFTER_S / 4
        cache.put(key(number), entry(number))
        written.append(len(_found(store, range(30))))
    assert written[:9] == [1, 1, 1, 1, 5, 5, 5, 5, 9]
    assert len(list(store.list("cache"))) == 1


def test_a_kill_loses_the_last_moment_only(store: LocalStore, tmp_path: Path) -> None:
    """Of a process killed by SIGKILL all entries are there but those since the last write, each whole."""

    def work() -> None:
        cache = _cache(store)
        for number in range(1_000_000):
            cache.put(key(number), entry(number))
            (tmp_path / "done").write_text(str(number))

    with running(work) as process:
        until(
            lambda: int((tmp_path / "done").read_text() or 0) >= 1_000 if (tmp_path / "done").is_file() else False, ""
        )
        kill(process)
    done = int((tmp_path / "done").read_text() or 1_000)
    found = _found(store, range(done + 2))
    assert found == list(range(len(found)))
    assert len(found) > done - WRITE_AFTER


def test_a_torn_end_is_left(store: LocalStore) -> None:
    """A segment cut anywhere gives what was whole; the next process begins its own."""
    _fill(store, range(100))
    (name,) = store.list("cache")
    path = Path(store.location, name)
    data = path.read_bytes()
    for end in range(0, len(data), 97):
        path.write_bytes(data[:end])
        found = _found(store, range(100))
        assert found == list(range(len(found)))
    _fill(store, range(100, 110))
    assert set(_found(store, range(110))) >= set(range(100, 110))
    assert path.read_bytes() == data[:end]


def test_writers_never_share_a_segment(store: LocalStore) -> None:
    """Processes of one owner, as after a lost lease, and of others write side by side and lose nothing."""

    def work(number: int) -> object:
        with _cache(store, owner=OWNER if number % 2 else OTHER) as cache:
            for i in range(number * 1_000, number * 1_000 + 300):
                cache.put(key(i), entry(i))
                assert cache.get(key(i)) == entry(i)
        return True

    assert race(4, work) == [True] * 4
    for number in range(4):
        numbers = range(number * 1_000, number * 1_000 + 300)
        assert _found(store, numbers) == list(numbers)


def test_used_entries_of_others_are_copied(store: LocalStore) -> None:
    """What a run used it can use again after the other owner's entries were deleted; the rest is not copied."""
    _fill(store, range(200), OTHER)
    with _cache(store) as cache:
        assert [cache.get(key(number)) for number in range(150)] == [entry(number) for number in range(150)]
    for name in list(store.list(f"cache/samples/{OTHER}")):
        store.delete(name)
    assert _found(store, range(200)) == list(range(150))


def test_small_segments_are_merged(store: LocalStore) -> None:
    """Many short runs of one evaluation leave few files, and every entry."""
    for number in range(40):
        with _cache(store) as cache:
            assert cache.get(key(999)) is None
            cache.put(key(number), entry(number))
        assert len(list(store.list("cache"))) <= 9
    assert _found(store, range(40)) == list(range(40))


def test_a_deleted_segment_is_begun_again(store: LocalStore) -> None:
    """If gc deletes the segment under a writer, what it writes afterward is kept."""
    cache = _cache(store)
    for number in range(WRITE_AFTER + 1):
        cache.put(key(number), entry(number))
    for name in list(store.list("cache")):
        store.delete(name)
    for number in range(1_000, 1_000 + WRITE_AFTER):
        cache.put(key(number), entry(number))
    cache.close()
    assert set(_found(store, range(1_000, 1_000 + WRITE_AFTER))) == set(range(1_000, 1_000 + WRITE_AFTER))


def test_entries_of_earlier_versions_are_ignored(store: LocalStore) -> None:
    """They were a JSON file each."""
    store.put_bytes(f"cache/samples/{key(1)[:2]}/{key(1)}.json", b'{"schema":1,"digest":"x","record":{}}')
    assert _cache(store).get(key(1)) is None


def test_the_first_error_is_told(store: LocalStore) -> None:
    """An error inside the block is not hidden by one while closing."""
    cache = _cache(store)
    cache.put(key(1), entry(1))
    cache.put(key(2), entry(2))
    for name in list(store.list("cache")):
        store.delete(name)
    Path(store.location, "cache").write_text("in the way")
    with pytest.raises(ZeroDivisionError), cache:
        raise ZeroDivisionError


def test_a_folder_that_cannot_be_written(store: LocalStore) -> None:
    """The error names what to do; a later write does not continue a torn segment."""
    cache = _cache(store)
    cache.put(key(1), entry(1))
    (name,) = store.list("cache")
    path = Path(store.location, name)
    path.unlink()
    path.mkdir()
    cache.put(key(2), entry(2))
    cache.close()
    assert _found(store, range(3)) == [2]
    with pytest.raises((StorageError, InputError)):
        SegmentCache(store, "samples", "../x")


def test_in_a_bucket(
    minio: MinioServer,
    tmp_path: Path,
) -> None:
    """One request per 64 entries, few objects; another host's cache has every entry, and two never share an object."""
    store = bucket_store(minio, minio.new_bucket(), tmp_path / ".local")
    count, clock = ENTRIES + 500, Clock()
    versions = Counter[str]()
    put_bytes = store.put_bytes

    def counted(name: str, data: bytes) -> Any:
        versions[name] += 1
        return put_bytes(name, data)

    store.put_bytes = counted  # type: ignore[method-assign]
    _fill(store, range(count), clock=clock)
    _fill(store, range(count, count + 200), owner=OTHER, clock=clock)
    assert versions.total() <= (count + 200) / 64
    listed = {str(o.object_name) for o in minio.client().list_objects(bucket_of(store), recursive=True)}
    assert len(listed) == len(versions) == 3
    other = bucket_store(minio, bucket_of(store), tmp_path / "other")
    assert _found(other, range(count + 200), OTHER) == list(range(count + 200))
