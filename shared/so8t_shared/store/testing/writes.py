"""Tests of replacing, removing, listing, conditional writes and unsafe keys."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from so8t_shared.errors import InputError
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.testing.contract import KEY, StoreContract

UNSAFE_KEYS = ["", "/", "/etc/passwd", "a//b", "a/", "..", "a/../b", "./a", "a/.", "a\\b", "a\x00b", "a\nb", "C:x"]


class Writes(StoreContract):
    """Several objects and versions, without concurrency."""

    def test_put_replaces(self, store: ArtifactStore, tmp_path: Path) -> None:
        """A second write wins, longer or shorter, from bytes or a file."""
        store.put_bytes(KEY, b"a long first value")
        store.put_bytes(KEY, b"short")
        assert store.get_bytes(KEY) == b"short"
        (tmp_path / "source").write_bytes(b"from a file")
        store.put_file(KEY, tmp_path / "source")
        assert store.get_bytes(KEY) == b"from a file"
        assert self.raw_keys(store) == {KEY}

    def test_etag_changes_with_every_write(self, store: ArtifactStore) -> None:
        """Many writes of the same size in quick succession all have different etags."""
        etags = [store.put_bytes(KEY, b"%03d" % number).etag for number in range(100)]
        assert len(set(etags)) == 100

    def test_etag_stays_without_a_write(self, store: ArtifactStore) -> None:
        """Reading, listing and writing another object do not change an etag."""
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
        """All keys below a folder, sorted as text, at any depth."""
        keys = ["s/a-b", "s/a.b/c", "s/a/b", "s/a/b.json", "s/a/bb/c/d/e", "s/ab", "s/B", "s/é"]
        for key in random.Random(1).sample(keys, len(keys)):
            store.put_bytes(key, b"")
        assert list(store.list("s")) == sorted(keys)
        assert list(store.list("s/")) == sorted(keys)
        assert list(store.list("s/a")) == ["s/a/b", "s/a/b.json", "s/a/bb/c/d/e"]

    def test_listing_tells_sizes_and_changes(self, store: ArtifactStore) -> None:
        """A listing has every object's size, and an etag that each write changes, with equal bytes too."""
        store.put_bytes("s/a", b"123")
        store.put_bytes("s/b/c", b"")
        first = dict(store.listing("s"))
        assert {key: stat.size_bytes for key, stat in first.items()} == {"s/a": 3, "s/b/c": 0}
        assert dict(store.listing("s")) == first
        store.put_bytes("s/a", b"123")
        second = dict(store.listing("s"))
        assert (second["s/a"].etag != first["s/a"].etag, second["s/b/c"]) == (True, first["s/b/c"])
        assert list(store.listing("nothing")) == []

    def test_list_takes_whole_names(self, store: ArtifactStore) -> None:
        """A folder's listing excludes folders that share only a name prefix, and the object with the folder's name."""
        for key in ("work/step-1/x", "work/step-10/x", "work/step-1.json"):
            store.put_bytes(key, b"")
        assert list(store.list("work/step-1")) == ["work/step-1/x"]
        assert list(store.list("nothing")) == []

    def test_folders(self, store: ArtifactStore) -> None:
        """Names of the folders right below one, sorted, each once; objects there are no folders."""
        for key in ("s/b/x", "s/a/x", "s/a/y/z", "s/c", "s-t/d/x"):
            store.put_bytes(key, b"")
        assert list(store.folders("s")) == list(store.folders("s/")) == ["a", "b"]
        assert list(store.folders("s/a")) == ["y"]
        assert list(store.folders("nothing")) == list(store.folders("s/c")) == []
        store.delete("s/b/x")
        assert list(store.folders("s")) == ["a"]

    # Conditional writes

    def test_put_if_absent(self, store: ArtifactStore) -> None:
        """Only the first call writes; its etag works in a later compare_and_put; a deleted object is absent."""
        etag = store.put_if_absent(KEY, b"first")
        assert etag is not None
        assert self.reopened(store).put_if_absent(KEY, b"second") is None
        assert store.read_versioned(KEY) == (b"first", etag)
        assert store.compare_and_put(KEY, b"third", etag) is not None
        store.delete(KEY)
        assert store.put_if_absent(KEY, b"fourth") is not None
        assert store.get_bytes(KEY) == b"fourth"

    def test_compare_and_put(self, store: ArtifactStore) -> None:
        """Writes only with the current etag: not with an old or wrong one, nor if there is no object."""
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

    # Unsafe keys

    @pytest.mark.parametrize("key", UNSAFE_KEYS)
    def test_unsafe_keys_are_refused(self, store: ArtifactStore, tmp_path: Path, key: str) -> None:
        """Every method rejects a key that is empty or absolute, or contains '..' or control characters."""
        (tmp_path / "source").write_bytes(b"x")
        calls: list[Callable[[], object]] = [
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
