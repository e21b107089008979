"""An owner's cache by what its entries are about: found beside any number of others, and written together."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.servers.minio_server import minio

from so8t_shared.artifacts.segment_cache import WRITE_AFTER_S
from so8t_shared.artifacts.shelves import Shelves
from so8t_shared.errors import InputError
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.forwarding import ForwardingStore
from so8t_shared.store.local import LocalStore

__all__ = ["minio"]

T = TypeVar("T")
ROWS = range(20)
A, B = "a" * 64, "b" * 64


class Counting(ForwardingStore):
    """Counts the requests."""

    def __init__(self, inner: ArtifactStore) -> None:
        super().__init__(inner)
        self.requests = Counter[str]()

    def _call(self, operation: str, key: str, work: Callable[[ArtifactStore], T]) -> T:
        self.requests[operation] += 1
        return super()._call(operation, key, work)


def _digest(name: object) -> str:
    return hashlib.sha256(str(name).encode()).hexdigest()


def _ask(store: ArtifactStore, owner: object, models: list[str], rows: range = ROWS) -> int:
    """Look each row up on each model's shelf, as an evaluation does; return how many had to be put there."""
    asked = 0
    with Shelves(store, "samples", _digest(owner)) as shelves:
        for row in rows:
            for model in models:
                shelf = shelves.shelf(model)
                if shelf.get(_digest((model, row))) is None:
                    shelf.put(_digest((model, row)), {"model": model, "row": row})
                    asked += 1
    return asked


def test_others_cost_nothing(folder_or_bucket: ArtifactStore) -> None:
    """Beside 650 newer segments of others, all answers are found, for the same two requests as without them."""
    costs = []
    assert _ask(folder_or_bucket, "first", [A]) == len(ROWS)
    for others in (range(0), range(650)):
        for number in others:
            with Shelves(folder_or_bucket, "samples", _digest(number)) as shelves:
                shelves.shelf(_digest(("model", number))).put(_digest(number), {"x": number})
        counted = Counting(folder_or_bucket)
        with Shelves(counted, "samples", _digest("later")) as later:
            found = [later.shelf(A).get(_digest((A, row))) for row in ROWS]
            costs.append(dict(counted.requests))
        for key in list(folder_or_bucket.list(f"cache/samples/{A[:32]}/{_digest('later')}")):
            folder_or_bucket.delete(key)
        assert found == [{"model": A, "row": row} for row in ROWS]
    assert costs == [{"list": 1, "get_bytes": 1}] * 2


def test_sessions_of_one_model_share(folder_or_bucket: ArtifactStore) -> None:
    """A is asked once by 12 sessions with models of their own; the last one reads one segment of the others."""
    for number in range(12):
        assert _ask(folder_or_bucket, number, [A, _digest(number)]) == len(ROWS) * (2 if number == 0 else 1)
    counted = Counting(folder_or_bucket)
    assert _ask(counted, "last", [A]) == 0
    assert (counted.requests["list"], counted.requests["get_bytes"]) == (1, 1)
    for number in range(12):
        for key in list(folder_or_bucket.list(f"cache/samples/{A[:32]}/{_digest(number)}")):
            folder_or_bucket.delete(key)
    assert _ask(folder_or_bucket, "later still", [A]) == 0


def test_more_rows_are_asked_only(folder_or_bucket: ArtifactStore) -> None:
    """Where some rows are new, all segments of the model are read once, and the other rows are found."""
    for number in range(5):
        _ask(folder_or_bucket, number, [A], range(10))
    counted = Counting(folder_or_bucket)
    assert _ask(counted, "more", [A], range(15)) == 5
    assert (counted.requests["list"], counted.requests["get_bytes"]) == (1, 5)


def test_the_newest_answer_counts(folder_or_bucket: ArtifactStore) -> None:
    """Of two owners' answers to the same question, and of two in one segment, the later one is found."""
    for owner in ("one", "two"):
        with Shelves(folder_or_bucket, "samples", _digest(owner)) as shelves:
            for number in range(200):
                shelves.shelf(A).put(_digest(number % 100), {"owner": owner, "number": number})
    with Shelves(folder_or_bucket, "samples", _digest("three")) as shelves:
        assert [shelves.shelf(A).get(_digest(n)) for n in range(100)] == [
            {"owner": "two", "number": 100 + n} for n in range(100)
        ]


def test_a_damaged_segment_is_passed_over(tmp_path: Path) -> None:
    """What a torn or overwritten one held is found in an older one."""
    store = LocalStore(tmp_path / "store")
    for number in range(3):
        _ask(store, number, [A])
    for number in (1, 2):
        for key in list(store.list(f"cache/samples/{A[:32]}/{_digest(number)}")):
            store.put_bytes(key, (store.get_bytes(key) or b"")[:-5])
    assert _ask(store, "later", [A]) == 0


def test_no_shelf_waits_for_its_next_entry(tmp_path: Path) -> None:
    """What waits on a shelf that gets no more entries is written with the next entry of another."""
    store, now = LocalStore(tmp_path / "store"), [100.0]
    shelves = Shelves(store, "samples", _digest("owner"), clock=lambda: now[0])
    for row in range(3):
        shelves.shelf(A).put(_digest(row), {"row": row})
    now[0] += WRITE_AFTER_S
    shelves.shelf(B).put(_digest("b"), {})
    again = Shelves(LocalStore(tmp_path / "store"), "samples", _digest("owner"))
    assert [again.shelf(A).get(_digest(row)) for row in range(3)] == [{"row": row} for row in range(3)]


def test_all_are_closed_when_one_cannot_be(tmp_path: Path) -> None:
    """One shelf that cannot be written does not cost the others their entries."""
    store = LocalStore(tmp_path / "store")
    with suppress(Exception), Shelves(store, "samples", _digest("owner"), clock=lambda: 0.0) as shelves:
        for model in (A, B):
            for row in range(2):
                shelves.shelf(model).put(_digest(row), {"row": row})
        (key,) = store.list(f"cache/samples/{B[:32]}")
        Path(store.location, key).unlink()
        Path(store.location, key).parent.rmdir()
        Path(store.location, key).parent.write_text("in the way")
    assert Shelves(store, "samples", _digest("owner")).shelf(A).get(_digest(1)) == {"row": 1}


@pytest.mark.parametrize("namespace", ["../sessions", "", "/x"])
def test_odd_namespaces_are_refused(store: LocalStore, namespace: str) -> None:
    """A cache cannot lie outside its folder, nor a shelf outside its cache."""
    with pytest.raises(InputError):
        Shelves(store, namespace, _digest("owner"))
    shelves: Any = Shelves(store, "samples", _digest("owner"))
    with pytest.raises(InputError):
        shelves.shelf("../x")
