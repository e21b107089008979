"""A store with faults: which calls they meet, and what is left of the object."""

from __future__ import annotations

import math
import threading
from pathlib import Path

import pytest
from tests.messages import Said

from so8t_shared.errors import Interrupted, ServerError
from so8t_shared.store.local import LocalStore
from so8t_shared.store.testing.faulty import Call, Fault, FaultyStore

GONE = ServerError("The server does not answer.")


def _outcomes(store: FaultyStore, *keys: str) -> list[str]:
    """What came of a write of each key."""
    outcomes = []
    for key in keys:
        try:
            store.put_bytes(key, b"x")
            outcomes.append("written")
        except ServerError:
            outcomes.append("failed")
    return outcomes


def test_before_and_after(store: LocalStore) -> None:
    """Before: nothing was written. After: it was, and only the answer is lost."""
    faulty = FaultyStore(store, [Fault("put_bytes", GONE, key="a"), Fault("put_bytes", GONE, key="b", at="after")])
    assert _outcomes(faulty, "a", "b", "c") == ["failed", "failed", "written"]
    assert [store.get_bytes(key) for key in "abc"] == [None, b"x", b"x"]


@pytest.mark.parametrize(
    ("skip", "times", "expected"), [(0, 1, "fwww"), (2, math.inf, "wwff"), (1, 2, "wffw"), (0, math.inf, "ffff")]
)
def test_how_often(store: LocalStore, skip: int, times: float, expected: str) -> None:
    """The first calls that match may go well, and so may those after some faults; other calls do not count."""
    fault = Fault("put_*", GONE, key="a/*", skip=skip, times=times)
    faulty = FaultyStore(store, [fault])
    outcomes = _outcomes(faulty, *(["a/1", "b/1"] * 4))
    assert "".join(outcome[0] for outcome in outcomes[::2]) == expected
    assert outcomes[1::2] == ["written"] * 4
    assert fault.met == 4


def test_an_action_may_use_the_store(store: LocalStore) -> None:
    """What another client does meanwhile, once: it gets the call, and its own calls do not start it again."""
    told: list[Call] = []

    def other_client(call: Call) -> None:
        told.append(call)
        faulty.put_bytes(call.key, b"theirs")

    faulty = FaultyStore(store, [Fault("put_*", other_client, at="after", times=1)])
    faulty.put_bytes("k", b"mine")
    assert told == [Call("put_bytes", "k")]
    assert store.get_bytes("k") == b"theirs"


def test_every_operation_is_noted_and_may_fail(store: LocalStore, tmp_path: Path) -> None:
    """All that have a key."""
    (tmp_path / "source").write_bytes(b"x")
    faulty = FaultyStore(store)
    operations = {
        "put_file": lambda: faulty.put_file("k", tmp_path / "source", move=True),
        "get_file": lambda: faulty.get_file("k", tmp_path / "target"),
        "put_bytes": lambda: faulty.put_bytes("k", b"x"),
        "get_bytes": lambda: faulty.get_bytes("k"),
        "checksum": lambda: faulty.checksum("k"),
        "local_path": lambda: faulty.local_path("k"),
        "read_versioned": lambda: faulty.read_versioned("k"),
        "put_if_absent": lambda: faulty.put_if_absent("k", b"x"),
        "compare_and_put": lambda: faulty.compare_and_put("k", b"x", "wrong"),
        "stat": lambda: faulty.stat("k"),
        "list": lambda: faulty.list("k"),
        "delete": lambda: faulty.delete("k"),
    }
    for call in operations.values():
        call()
    faulty.fail_on.append(Fault("*", GONE))
    for call in operations.values():
        with pytest.raises(ServerError):
            call()
    assert faulty.calls == [Call(operation, "k") for operation in operations] * 2
    assert faulty.keys("get_*") == ["k"] * 4
    assert faulty.keys("*", "other") == []


def test_views_share_faults_and_calls(store: LocalStore, tmp_path: Path) -> None:
    """Limited in any order: the least patience is noted, the check is asked, a fault added later is met."""
    asked: list[str] = []
    faulty = FaultyStore(store)
    view = faulty.patient(9.0).checked(lambda: asked.append("check")).patient(20.0)
    view.get_file("k", tmp_path / "target")
    faulty.fail_on.append(Fault("get_bytes", GONE))
    with pytest.raises(ServerError):
        view.get_bytes("k")
    assert asked == ["check"]
    assert faulty.calls == view.calls == [Call("get_file", "k", 9.0), Call("get_bytes", "k", 9.0)]


def test_a_check_of_the_inner_store_ends_the_call(store: LocalStore, tmp_path: Path) -> None:
    """What it raises comes through, and a fault after the call is not met."""
    (tmp_path / "source").write_bytes(b"x")

    def check() -> None:
        raise Interrupted("asked to stop")

    fault = Fault("put_file", GONE, at="after")
    with pytest.raises(Interrupted):
        FaultyStore(store, [fault]).checked(check).put_file("k", tmp_path / "source")
    assert fault.met == 0


def test_threads_share_a_fault(store: LocalStore) -> None:
    """Of many calls at once exactly as many fail as were told."""
    faulty = FaultyStore(store, [Fault("put_bytes", GONE, skip=3, times=5)])
    outcomes: list[str] = []
    threads = [threading.Thread(target=lambda: outcomes.extend(_outcomes(faulty, "k"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("failed") == 5


def test_a_misspelled_operation_is_refused(said: Said) -> None:
    """It would never be met, and its test would show nothing."""
    with said.raised(ValueError):
        Fault("put_byte", GONE)
