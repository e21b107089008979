"""Tests with several processes on one store; some are killed."""

from __future__ import annotations

import random
import time
from pathlib import Path

from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.testing.contract import KEY, StoreContract
from so8t_shared.store.testing.processes import kill, race, start


class Races(StoreContract):
    """Concurrent writers, and writers that are killed."""

    def test_one_of_sixteen_puts_first(self, store: ArtifactStore) -> None:
        """If sixteen processes call put_if_absent at once, exactly one wins each key, and its bytes stay."""
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
        """Eight processes increment one counter with compare_and_put, and no increment is lost."""
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
        """Processes that write, delete and list in one folder do not disturb each other."""

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
        """While another process replaces an object, each read returns one whole version."""
        size = 300_000
        store.put_bytes(KEY, b"a" * size)

        def replace() -> None:
            mine = self.reopened(store)
            while True:
                for letter in (b"b", b"a"):
                    mine.put_bytes(KEY, letter * size)

        writer = start(replace)
        seen: set[bytes] = set()
        deadline = time.monotonic() + 30
        while len(seen) < 2 and time.monotonic() < deadline:
            for _ in range(50):
                data, _etag = store.read_versioned(KEY) or (b"", "")
                assert data in {b"a" * size, b"b" * size}
                seen.add(data[:1])
        kill(writer)
        assert seen == {b"a", b"b"}

    def test_killed_writer_leaves_old_or_new(self, store: ArtifactStore, tmp_path: Path) -> None:
        """After SIGKILL during put_file, the object is the old or the new one, and nothing else is listed."""
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
