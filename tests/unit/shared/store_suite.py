"""What every artifact store must do; a test class inherits it and says how a store is opened.

`raw_write` and `raw_keys` bypass the code under test, so that a store cannot vouch for itself.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from pathlib import Path

import pytest
from tests.unit.shared.processes import kill, race, start

from so8t_shared.errors import InputError, Interrupted
from so8t_shared.store.base import ArtifactStore

KEY = "artifacts/train/0123/files/model.bin"
UNSAFE_KEYS = ["", "/", "/etc/passwd", "a//b", "a/", "..", "a/../b", "./a", "a/.", "a\\b", "a\x00b", "a\nb", "C:x"]


class StoreSuite:
    """The conformance suite; subclasses give the fixture `store` and the three methods."""

    def reopened(self, store: ArtifactStore) -> ArtifactStore:
        """Another client of the same place, as another process would open it."""
        raise NotImplementedError

    def raw_write(self, store: ArtifactStore, key: str, data: bytes) -> None:
        """Put an object there without the store's code."""
        raise NotImplementedError

    def raw_keys(self, store: ArtifactStore) -> set[str]:
        """Every object that really is there."""
        raise NotImplementedError

    # One object

    @pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 5000], ids=["empty", "one byte", "1.3 MB"])
    def test_bytes_come_back(self, store: ArtifactStore, data: bytes) -> None:
        """What is put is what another client gets, by every way of reading."""
        stat = store.put_bytes(KEY, data)
        other = self.reopened(store)
        assert other.get_bytes(KEY) == data
        assert other.read_versioned(KEY) == (data, stat.etag)
        assert other.stat(KEY) == stat
        assert stat.size_bytes == len(data)

    def test_files_come_back(self, store: ArtifactStore, tmp_path: Path) -> None:
        """A file's bytes are stored and copied to a new file whose folder does not exist yet."""
        source, target = tmp_path / "source", tmp_path / "new" / "folder" / "target"
        source.write_bytes(b"weights")
        stat = store.put_file(KEY, source)
        assert stat == store.stat(KEY)
        assert source.read_bytes() == b"weights"
        assert store.get_file(KEY, target)
        assert target.read_bytes() == b"weights"

    def test_moved_file_is_stored(self, store: ArtifactStore, tmp_path: Path) -> None:
        """With `move` the object has the bytes, whatever becomes of the source."""
        source = tmp_path / "source"
        source.write_bytes(b"weights")
        stat = store.put_file(KEY, source, move=True)
        assert stat is not None
        assert stat.size_bytes == 7
        assert store.get_bytes(KEY) == b"weights"

    def test_files_are_hashed_on_the_way(self, store: ArtifactStore, tmp_path: Path) -> None:
        """A store whose objects travel says the sha256 of what went by, and every one can compute it."""
        (tmp_path / "source").write_bytes(b"weights")
        put, got = store.put_file(KEY, tmp_path / "source"), store.get_file(KEY, tmp_path / "target")
        expected = hashlib.sha256(b"weights").hexdigest()
        if store.remote:
            assert put is not None
            assert got is not None
            assert [put.sha256, got.sha256] == [expected, expected]
        read = store.checksum(KEY)
        assert read == store.stat(KEY)
        assert read is not None
        assert read.sha256 == expected
        assert store.checksum("nothing/here") is None

    def test_limited_is_the_same_place(self, store: ArtifactStore) -> None:
        """With other limits the store reads and writes the same objects."""
        for limited in (store.patient(1.0), store.checked(lambda: None)):
            limited.put_bytes(KEY, b"x")
            assert store.get_bytes(KEY) == b"x"
            assert (limited.location, limited.local_root) == (store.location, store.local_root)
            store.delete(KEY)

    def test_the_check_ends_a_transfer(self, store: ArtifactStore, tmp_path: Path) -> None:
        """Who is asked to stop sends and fetches no file, and leaves nothing; small objects are still written."""

        def check() -> None:
            raise Interrupted("asked to stop")

        (tmp_path / "source").write_bytes(b"x")
        asked = store.checked(check)
        with pytest.raises(Interrupted):
            asked.put_file(KEY, tmp_path / "source")
        assert self.raw_keys(store) == set()
        asked.put_bytes(KEY, b"x")
        with pytest.raises(Interrupted):
            asked.get_file(KEY, tmp_path / "target")
        assert not (tmp_path / "target").exists()

    def test_a_later_check_takes_the_place_of_an_earlier_one(self, store: ArtifactStore, tmp_path: Path) -> None:
        """Work that is to end in spite of a wish to stop is done with a check of its own."""

        def check() -> None:
            raise Interrupted("asked to stop")

        (tmp_path / "source").write_bytes(b"x")
        store.checked(check).checked(lambda: None).put_file(KEY, tmp_path / "source")
        assert store.get_bytes(KEY) == b"x"

    def test_local_path_is_the_object(self, store: ArtifactStore) -> None:
        """A store on this host shows the object as a file; others say None."""
        store.put_bytes(KEY, b"weights")
        path = store.local_path(KEY)
        assert path is None or path.read_bytes() == b"weights"

    def test_written_from_outside_is_seen(self, store: ArtifactStore) -> None:
        """An object that another program put there is read like our own."""
        self.raw_write(store, KEY, b"foreign")
        assert store.get_bytes(KEY) == b"foreign"
        assert list(store.list("artifacts")) == [KEY]

    def test_absent_is_none_and_leaves_no_trace(self, store: ArtifactStore, tmp_path: Path) -> None:
        """Asking for an object that is not there answers None or False and creates nothing."""
        assert store.get_bytes(KEY) is None
        assert store.read_versioned(KEY) is None
        assert store.stat(KEY) is None
        assert store.local_path(KEY) is None
        assert not store.get_file(KEY, tmp_path / "target")
        assert not (tmp_path / "target").exists()
        assert self.raw_keys(store) == set()

    def test_a_folder_is_no_object(self, store: ArtifactStore) -> None:
        """The beginning of a key names nothing."""
        store.put_bytes("a/b/c", b"x")
        for prefix in ("a", "a/b"):
            assert store.get_bytes(prefix) is None
            assert store.read_versioned(prefix) is None
            assert store.stat(prefix) is None
            assert store.local_path(prefix) is None

    def test_below_an_object_is_nothing(self, store: ArtifactStore) -> None:
        """A key that goes on behind an object's names nothing."""
        store.put_bytes("a/b", b"x")
        assert store.get_bytes("a/b/c") is None
        assert store.read_versioned("a/b/c") is None
        assert store.stat("a/b/c") is None
        assert list(store.list("a/b/c")) == []

    def test_names_of_any_language(self, store: ArtifactStore) -> None:
        """Spaces, Japanese, plus and percent signs in a key come back unchanged."""
        keys = ["files/モデル B/重み+1%20.bin", "files/a b", "files/ä"]
        for key in keys:
            store.put_bytes(key, key.encode())
        assert sorted(store.list("files")) == sorted(keys)
        assert [store.get_bytes(key) for key in keys] == [key.encode() for key in keys]

    # Replacing and removing

    def test_put_replaces(self, store: ArtifactStore, tmp_path: Path) -> None:
        """A second put wins, longer or shorter, from bytes or a file."""
        store.put_bytes(KEY, b"a long first value")
        store.put_bytes(KEY, b"short")
        assert store.get_bytes(KEY) == b"short"
        (tmp_path / "source").write_bytes(b"from a file")
        store.put_file(KEY, tmp_path / "source")
        assert store.get_bytes(KEY) == b"from a file"
        assert self.raw_keys(store) == {KEY}

    def test_etag_changes_with_every_write(self, store: ArtifactStore) -> None:
        """No two of many writes in quick succession have the same etag, though their size is the same."""
        etags = [store.put_bytes(KEY, b"%03d" % number).etag for number in range(100)]
        assert len(set(etags)) == 100

    def test_etag_stays_without_a_write(self, store: ArtifactStore) -> None:
        """Reading, listing and writing another object change no etag."""
        etag = store.put_bytes(KEY, b"x").etag
        store.put_bytes(f"{KEY}.other", b"x")
        list(store.list("artifacts"))
        assert self.reopened(store).stat(KEY) == store.stat(KEY)
        assert (store.read_versioned(KEY) or (b"", ""))[1] == etag

    def test_delete(self, store: ArtifactStore) -> None:
        """A deleted object is gone for every reader; its neighbors stay; deleting again is fine."""
        store.put_bytes(KEY, b"x")
        store.put_bytes(f"{KEY}.other", b"y")
        store.delete(KEY)
        store.delete(KEY)
        store.delete("never/was/here")
        assert store.get_bytes(KEY) is None
        assert store.get_bytes(f"{KEY}.other") == b"y"
        assert self.raw_keys(store) == {f"{KEY}.other"}
        store.put_bytes(KEY, b"again")
        assert store.get_bytes(KEY) == b"again"

    # Listing

    def test_list_is_sorted_and_deep(self, store: ArtifactStore) -> None:
        """All keys below a folder, in the order of their text, at any depth."""
        keys = ["s/a-b", "s/a.b/c", "s/a/b", "s/a/b.json", "s/a/bb/c/d/e", "s/ab", "s/B", "s/é"]
        for key in random.Random(1).sample(keys, len(keys)):
            store.put_bytes(key, b"")
        assert list(store.list("s")) == sorted(keys)
        assert list(store.list("s/")) == sorted(keys)
        assert list(store.list("s/a")) == ["s/a/b", "s/a/b.json", "s/a/bb/c/d/e"]

    def test_list_takes_whole_names(self, store: ArtifactStore) -> None:
        """A folder's listing has nothing of one whose name merely begins alike, nor the object of that name."""
        for key in ("work/step-1/x", "work/step-10/x", "work/step-1.json"):
            store.put_bytes(key, b"")
        assert list(store.list("work/step-1")) == ["work/step-1/x"]
        assert list(store.list("nothing")) == []

    # Conditional writes

    def test_put_if_absent(self, store: ArtifactStore) -> None:
        """Only the first one writes; its etag serves for a later compare_and_put; a deleted one is absent."""
        etag = store.put_if_absent(KEY, b"first")
        assert etag is not None
        assert self.reopened(store).put_if_absent(KEY, b"second") is None
        assert store.read_versioned(KEY) == (b"first", etag)
        assert store.compare_and_put(KEY, b"third", etag) is not None
        store.delete(KEY)
        assert store.put_if_absent(KEY, b"fourth") is not None
        assert store.get_bytes(KEY) == b"fourth"

    def test_compare_and_put(self, store: ArtifactStore) -> None:
        """Writes with the current etag alone: not with an old one, a wrong one, nor where nothing is."""
        first = store.put_bytes(KEY, b"1").etag
        second = store.compare_and_put(KEY, b"2", first)
        assert second is not None
        assert second != first
        assert store.read_versioned(KEY) == (b"2", second)
        assert store.compare_and_put(KEY, b"3", first) is None
        assert store.compare_and_put(KEY, b"3", "wrong") is None
        assert store.get_bytes(KEY) == b"2"
        store.delete(KEY)
        assert store.compare_and_put(KEY, b"3", second) is None
        assert self.raw_keys(store) == set()

    def test_same_bytes_again_are_a_new_version(self, store: ArtifactStore) -> None:
        """Going back to earlier bytes does not bring the earlier etag back (no A-B-A)."""
        first = store.put_bytes(KEY, b"A").etag
        store.put_bytes(KEY, b"B")
        store.put_bytes(KEY, b"A")
        assert store.compare_and_put(KEY, b"C", first) is None

    # Names that lead outside

    @pytest.mark.parametrize("key", UNSAFE_KEYS)
    def test_unsafe_keys_are_refused(self, store: ArtifactStore, tmp_path: Path, key: str) -> None:
        """Every method refuses a key that is empty, absolute, climbing, or has control characters."""
        (tmp_path / "source").write_bytes(b"x")
        calls = [
            lambda: store.put_bytes(key, b"x"),
            lambda: store.put_file(key, tmp_path / "source"),
            lambda: store.get_bytes(key),
            lambda: store.get_file(key, tmp_path / "target"),
            lambda: store.local_path(key),
            lambda: store.read_versioned(key),
            lambda: store.put_if_absent(key, b"x"),
            lambda: store.compare_and_put(key, b"x", "etag"),
            lambda: store.stat(key),
            lambda: store.delete(key),
        ]
        for call in calls:
            with pytest.raises(InputError) as caught:
                call()
            assert repr(key) in caught.value.what
            assert caught.value.remedy
        assert (tmp_path / "source").read_bytes() == b"x"
        assert self.raw_keys(store) == set()

    # Several processes

    def test_one_of_sixteen_puts_first(self, store: ArtifactStore) -> None:
        """Of sixteen processes that put_if_absent at once, exactly one wins each key, and its bytes stay."""
        keys = [f"sessions/by-config/{number}.json" for number in range(20)]

        def work(number: int) -> list[str | None]:
            mine = self.reopened(store)
            return [mine.put_if_absent(key, b"%02d" % number) for key in keys]

        answers = race(16, work)
        for index, key in enumerate(keys):
            winners = [number for number in range(16) if answers[number][index] is not None]
            assert len(winners) == 1
            assert store.read_versioned(key) == (b"%02d" % winners[0], answers[winners[0]][index])

    def test_no_update_is_lost(self, store: ArtifactStore) -> None:
        """Eight processes count one counter up by compare_and_put; every step counts."""
        store.put_bytes("counter", b"000")

        def count(_: int) -> int:
            mine, steps = self.reopened(store), 0
            while steps < 25:
                data, etag = mine.read_versioned("counter") or (b"", "")
                if mine.compare_and_put("counter", b"%03d" % (int(data) + 1), etag) is not None:
                    steps += 1
            return steps

        assert race(8, count) == [25] * 8
        assert store.get_bytes("counter") == b"200"

    def test_neighbors_come_and_go(self, store: ArtifactStore) -> None:
        """Processes that put and delete beside each other in one folder, and list it, do not disturb each other."""

        def churn(number: int) -> int:
            mine = self.reopened(store)
            for step in range(60):
                key = f"work/{step % 2}/deep/{number}"
                stat = mine.put_bytes(key, b"x" * step) if step % 2 else None
                if stat is None:
                    assert mine.put_if_absent(key, b"y") is not None
                assert key in list(mine.list("work"))
                mine.delete(key)
                assert mine.stat(key) is None
            return number

        assert race(6, churn) == list(range(6))
        assert self.raw_keys(store) == set()

    def test_a_reader_never_sees_half(self, store: ArtifactStore) -> None:
        """While another process replaces an object, each read gives one whole version."""
        size = 300_000
        store.put_bytes(KEY, b"a" * size)

        def replace() -> None:
            mine = self.reopened(store)
            while True:
                for letter in (b"b", b"a"):
                    mine.put_bytes(KEY, letter * size)

        writer = start(replace)
        seen = set()
        deadline = time.monotonic() + 30
        while len(seen) < 2 and time.monotonic() < deadline:
            for _ in range(50):
                data, _etag = store.read_versioned(KEY) or (b"", "")
                assert data in {b"a" * size, b"b" * size}
                seen.add(data[:1])
        kill(writer)
        assert seen == {b"a", b"b"}

    def test_killed_writer_leaves_old_or_new(self, store: ArtifactStore, tmp_path: Path) -> None:
        """SIGKILL in the middle of put_file: the object is the old or the new one, and nothing else is listed."""
        size, choose = 4_000_000, random.Random(7)
        sources = [tmp_path / letter for letter in "ab"]
        for source in sources:
            source.write_bytes(source.name.encode() * size)
        store.put_file(KEY, sources[0])

        def replace() -> None:
            mine = self.reopened(store)
            while True:
                for source in reversed(sources):
                    mine.put_file(KEY, source)

        for _ in range(12):
            writer = start(replace)
            time.sleep(choose.uniform(0.005, 0.08))
            kill(writer)
            data = store.get_bytes(KEY)
            assert data in {b"a" * size, b"b" * size}
            assert list(store.list("artifacts")) == [KEY]
        store.put_bytes(KEY, b"usable")
        assert store.get_bytes(KEY) == b"usable"

    # The place itself

    def test_location_and_local_root(self, store: ArtifactStore) -> None:
        """The store names its place, and its scratch folder is no part of any listing."""
        assert store.location
        store.local_root.mkdir(parents=True, exist_ok=True)
        (store.local_root / "note.json").write_text(json.dumps("scratch"))
        store.put_bytes("sessions/x", b"")
        assert self.raw_keys(store) == {"sessions/x"}
