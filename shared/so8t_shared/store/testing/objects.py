"""Tests of single objects: every way of reading returns what was written."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from so8t_shared.errors import Interrupted
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.testing.contract import KEY, StoreContract


class Objects(StoreContract):
    """Reading existing and missing objects."""

    @pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 5000], ids=["empty", "one byte", "1.3 MB"])
    def test_bytes_come_back(self, store: ArtifactStore, data: bytes) -> None:
        """Another client reads what was written, by every way of reading."""
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
        """With `move`, the object has the bytes, whatever happens to the source."""
        source = tmp_path / "source"
        source.write_bytes(b"weights")
        stat = store.put_file(KEY, source, move=True)
        assert stat is not None
        assert stat.size_bytes == 7
        assert store.get_bytes(KEY) == b"weights"

    def test_files_are_hashed_on_the_way(self, store: ArtifactStore, tmp_path: Path) -> None:
        """A remote store reports the sha256 of transferred bytes, and every store can compute it."""
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

    def test_parts(self, store: ArtifactStore) -> None:
        """Any part of an object can be read by itself; none of an object that was replaced or removed."""
        etag = store.put_bytes(KEY, b"weights").etag
        assert [store.read_part(KEY, at, n, etag) for at, n in ((0, 7), (0, 1), (2, 3), (6, 1))] == [
            b"weights",
            b"w",
            b"igh",
            b"s",
        ]
        store.put_bytes(KEY, b"balance")
        assert store.read_part(KEY, 0, 7, etag) is None
        store.delete(KEY)
        assert store.read_part(KEY, 0, 7, etag) is None
        assert store.read_part("nothing/here", 0, 7, etag) is None

    def test_limited_is_the_same_place(self, store: ArtifactStore) -> None:
        """A store with other limits reads and writes the same objects."""
        for limited in (store.patient(1.0), store.checked(lambda: None)):
            limited.put_bytes(KEY, b"x")
            assert store.get_bytes(KEY) == b"x"
            assert (limited.location, limited.local_root) == (store.location, store.local_root)
            store.delete(KEY)

    def test_the_check_ends_a_transfer(self, store: ArtifactStore, tmp_path: Path) -> None:
        """After a stop request no file is sent or fetched, and none is left; small objects are still written."""

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
        """Work that must finish despite a stop request uses another check."""

        def check() -> None:
            raise Interrupted("asked to stop")

        (tmp_path / "source").write_bytes(b"x")
        store.checked(check).checked(lambda: None).put_file(KEY, tmp_path / "source")
        assert store.get_bytes(KEY) == b"x"

    def test_local_path_is_the_object(self, store: ArtifactStore) -> None:
        """A store on this host returns the object as a file; others return None."""
        store.put_bytes(KEY, b"weights")
        path = store.local_path(KEY)
        assert path is None or path.read_bytes() == b"weights"

    def test_written_from_outside_is_seen(self, store: ArtifactStore) -> None:
        """An object written by another program is read like our own."""
        self.raw_write(store, KEY, b"foreign")
        assert store.get_bytes(KEY) == b"foreign"
        assert list(store.list("artifacts")) == [KEY]

    def test_absent_is_none_and_leaves_no_trace(self, store: ArtifactStore, tmp_path: Path) -> None:
        """Reading a missing object returns None or False and creates nothing."""
        assert store.get_bytes(KEY) is None
        assert store.read_versioned(KEY) is None
        assert store.stat(KEY) is None
        assert store.local_path(KEY) is None
        assert not store.get_file(KEY, tmp_path / "target")
        assert not (tmp_path / "target").exists()
        assert self.raw_keys(store) == set()

    def test_a_folder_is_no_object(self, store: ArtifactStore) -> None:
        """A prefix of a key is not an object."""
        store.put_bytes("a/b/c", b"x")
        for prefix in ("a", "a/b"):
            assert store.get_bytes(prefix) is None
            assert store.read_versioned(prefix) is None
            assert store.stat(prefix) is None
            assert store.local_path(prefix) is None

    def test_below_an_object_is_nothing(self, store: ArtifactStore) -> None:
        """A key that extends an object's key is not an object."""
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

    def test_location_and_local_root(self, store: ArtifactStore) -> None:
        """The store has a location, and its scratch folder does not appear in listings."""
        assert store.location
        store.local_root.mkdir(parents=True, exist_ok=True)
        (store.local_root / "note.json").write_text(json.dumps("scratch"))
        store.put_bytes("sessions/x", b"")
        assert self.raw_keys(store) == {"sessions/x"}
