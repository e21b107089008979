"""Entries that are reused by later runs: whole or absent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.shared.processes import kill, race, running, until

from so8t_shared.artifacts.json_cache import JsonCache
from so8t_shared.errors import InputError
from so8t_shared.store.local import LocalStore

KEY = "ab" + "0" * 62
ENTRY = {"answer": "日本語", "numbers": [1, 2.5, None], "nested": {"b": 1, "a": True}}


def test_put_and_get(store: LocalStore) -> None:
    """An entry comes back as it was, in another process too; another key has none."""
    JsonCache(store, "samples").put(KEY, ENTRY)
    cache = JsonCache(LocalStore(Path(store.location)), "samples")
    assert cache.get(KEY) == ENTRY
    assert cache.get("cd" + "0" * 62) is None
    assert JsonCache(store, "other").get(KEY) is None
    assert list(store.list("cache")) == [f"cache/samples/ab/{KEY}.json"]


def test_put_replaces(store: LocalStore) -> None:
    """The last entry wins."""
    cache = JsonCache(store, "samples")
    cache.put(KEY, {"x": 1})
    cache.put(KEY, {"x": 2})
    assert cache.get(KEY) == {"x": 2}


def test_every_cut_and_every_flip_is_absence(store: LocalStore) -> None:
    """An entry that lost its end, or in which any byte differs, counts as absent: it is made again."""
    cache = JsonCache(store, "samples")
    cache.put(KEY, ENTRY)
    key = f"cache/samples/ab/{KEY}.json"
    data = store.get_bytes(key) or b""
    path = Path(store.location, key)
    for end in range(len(data)):
        path.write_bytes(data[:end])
        assert cache.get(KEY) is None
    for index in range(len(data)):
        path.write_bytes(data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :])
        assert cache.get(KEY) in (None, ENTRY)
    path.write_bytes(data)
    assert cache.get(KEY) == ENTRY


@pytest.mark.parametrize("data", [b"null", b"[]", b"{}", b'"x"', b"\xff"])
def test_other_json_is_absence(store: LocalStore, data: bytes) -> None:
    """What is no entry is no entry."""
    store.put_bytes(f"cache/samples/ab/{KEY}.json", data)
    assert JsonCache(store, "samples").get(KEY) is None


def test_a_newer_format_is_absence(store: LocalStore) -> None:
    """An entry of a newer program is not understood, so it is made again."""
    cache = JsonCache(store, "samples")
    cache.put(KEY, ENTRY)
    key = f"cache/samples/ab/{KEY}.json"
    envelope = json.loads(store.get_bytes(key) or b"")
    store.put_bytes(key, json.dumps({**envelope, "schema": 2}).encode())
    assert cache.get(KEY) is None


@pytest.mark.parametrize("key", ["", "../../sessions/x", "a/../../b"])
def test_odd_keys_are_refused(store: LocalStore, key: str) -> None:
    """A key cannot lead outside the cache."""
    with pytest.raises(InputError):
        JsonCache(store, "samples").put(key, {})


def test_durable_when_put_returns(store: LocalStore, tmp_path: Path) -> None:
    """Every entry that was put before a SIGKILL is there afterwards, whole."""

    def work() -> None:
        cache = JsonCache(LocalStore(Path(store.location)), "samples")
        for number in range(10_000):
            cache.put(f"{number:064d}", {"number": number})
            (tmp_path / "done").write_text(str(number))

    with running(work) as process:
        until(lambda: (tmp_path / "done").is_file() and int((tmp_path / "done").read_text() or 0) >= 20, "20 entries")
        kill(process)
    done = int((tmp_path / "done").read_text() or 20)
    cache = JsonCache(store, "samples")
    assert [cache.get(f"{number:064d}") for number in range(done)] == [{"number": number} for number in range(done)]


def test_processes_put_the_same_entry(store: LocalStore) -> None:
    """Several processes that have the same answer at the same time leave one whole entry."""

    def work(_: int) -> object:
        cache = JsonCache(LocalStore(Path(store.location)), "samples")
        for _ in range(20):
            cache.put(KEY, ENTRY)
            assert cache.get(KEY) == ENTRY
        return True

    assert race(4, work) == [True] * 4
