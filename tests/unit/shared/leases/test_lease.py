"""Leases: one holder, taken over when it is dead or silent, and nobody compares clocks."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest
from tests.unit.shared.material import held, lease_record, put_lease
from tests.unit.shared.processes import kill, race, running, until

from so8t_shared.errors import Interrupted, NewerFormat
from so8t_shared.interruption import StopSignal
from so8t_shared.leases.lease import Lease, acquire
from so8t_shared.processes import process_domain
from so8t_shared.store.local import LocalStore
from so8t_shared.store.testing.faulty import Call, FaultyStore

KEY = "artifacts/train/0/lease.json"


def test_one_of_sixteen_holds_at_a_time(store: LocalStore, tmp_path: Path) -> None:
    """Sixteen processes take the lease one after the other; never do two hold it."""
    inside, log = tmp_path / "inside", tmp_path / "log"

    def work(number: int) -> bool:
        with held(LocalStore(Path(store.location)), KEY):
            handle = os.open(inside, os.O_CREAT | os.O_EXCL)  # fails if another one is inside
            time.sleep(0.01)
            os.close(handle)
            inside.unlink()
        with log.open("a") as file:
            file.write(f"{number}\n")
        return True

    assert race(16, work) == [True] * 16
    assert sorted(map(int, log.read_text().split())) == list(range(16))


def test_the_lease_names_its_holder(store: LocalStore) -> None:
    """Who looks at the lease learns host, process and time."""
    with held(store, KEY):
        stored = lease_record(store, KEY)
        assert stored.pid == os.getpid()
        assert stored.domain == process_domain()
        assert not stored.is_left(store.local_root)
    assert lease_record(store, KEY).is_left(store.local_root)


def test_release_gives_back_at_once(store: LocalStore) -> None:
    """After `stop` the next one need not wait for the time to live."""
    with held(store, KEY, ttl_s=1000):
        pass
    waits: list[str] = []
    lease = acquire(store, KEY, ttl_s=1000, poll_s=0.01, on_wait=waits.append)
    assert lease is not None
    lease.stop()
    assert waits == []


def test_killed_holder_of_this_host_is_followed_at_once(store: LocalStore) -> None:
    """After SIGKILL of the holder the lease is taken over without waiting for its long time to live."""

    def hold() -> None:
        acquire(LocalStore(Path(store.location)), KEY, ttl_s=10_000)
        time.sleep(1000)

    with running(hold) as holder:
        until(lambda: store.stat(KEY), "the lease of the other process")
        assert _tried(store, times=3) is None
        kill(holder)
        lease = acquire(store, KEY, poll_s=0.01)
        assert lease is not None
        assert lease_record(store, KEY).pid == os.getpid()
        lease.stop()


def _tried(store: LocalStore, times: int) -> Lease | None:
    asked = iter(range(times))
    lease = acquire(store, KEY, poll_s=0.01, until=lambda: "enough" if next(asked, None) is None else None)
    return lease if isinstance(lease, Lease) else None


def test_a_reused_process_number_is_not_the_holder(store: LocalStore) -> None:
    """A living process that merely has the dead holder's number does not keep the lease."""
    put_lease(store, KEY, domain=process_domain(), pid=os.getpid(), started=1.0, ttl_s=10_000)
    with held(store, KEY):
        assert lease_record(store, KEY).owner != "other"


class _OtherFolder(LocalStore):
    """The same store seen with another local folder, as by a container with a scratch volume of its own."""

    @property
    def local_root(self) -> Path:
        return Path(self.location, ".local", "another")


def test_a_living_holder_is_proved_by_its_process_too(store: LocalStore) -> None:
    """Where no lifeline is to be seen, a process of the same host keeps its lease while it runs, and no longer."""

    def hold() -> None:
        acquire(LocalStore(Path(store.location)), KEY, ttl_s=10_000)
        time.sleep(1000)

    other = _OtherFolder(Path(store.location))
    with running(hold) as holder:
        until(lambda: store.stat(KEY), "the lease of the other process")
        assert _tried(other, times=3) is None
        kill(holder)
        with held(other, KEY) as lease:
            lease.confirm()


def test_a_holder_of_an_older_version_is_not_robbed(store: LocalStore) -> None:
    """Its start was told in seconds since the epoch, in a domain of another name: it is believed by its heartbeat."""
    domain = process_domain().removesuffix("/ticks")
    epoch_s = time.time() - 100
    put_lease(store, KEY, domain=domain, pid=os.getpid(), started=epoch_s, ttl_s=10_000)
    assert _tried(store, times=3) is None
    assert not lease_record(store, KEY).is_left(store.local_root)


def test_a_dead_holder_in_another_container_is_followed_at_once(store: LocalStore) -> None:
    """Containers cannot look up each other's processes; those that share the local folder need not wait."""

    def hold() -> None:
        with held(store, KEY, ttl_s=10_000):
            put_lease(store, KEY, **{**lease_record(store, KEY).model_dump(), "domain": "another container"})
            time.sleep(60)

    with running(hold) as process:
        until(lambda: store.get_bytes(KEY) and lease_record(store, KEY).domain == "another container", "the lease")
        assert _tried(store, 10) is None  # it lives
        kill(process)
    with held(store, KEY):
        assert lease_record(store, KEY).domain == process_domain()


def test_the_same_on_another_machine_is_waited_for(store: LocalStore) -> None:
    """A lock proves nothing to a machine that shares the folder over a network: its kernel does not keep it."""

    def hold() -> None:
        with held(store, KEY, ttl_s=10_000):
            known = lease_record(store, KEY).model_dump()
            put_lease(store, KEY, **{**known, "domain": "elsewhere", "lifeline": "another boot/folder"})
            time.sleep(60)

    with running(hold) as process:
        until(lambda: store.get_bytes(KEY) and lease_record(store, KEY).domain == "elsewhere", "the lease")
        kill(process)
    assert _tried(store, 10) is None


def test_lifelines_do_not_pile_up(store: LocalStore) -> None:
    """A lease given back, or never had, leaves no lock file."""
    with held(store, KEY):
        assert _tried(store, 2) is None
    assert [p.name for p in (store.local_root / "alive").iterdir()] == ["folder"]


def test_silent_holder_of_another_host_is_followed_after_its_time(store: LocalStore) -> None:
    """A holder that cannot be looked up is waited for as long as it promised to be heard of, then followed."""
    put_lease(store, KEY, ttl_s=0.6)
    waits: list[str] = []
    began = time.monotonic()
    lease = acquire(store, KEY, poll_s=0.02, on_wait=waits.append)
    assert lease is not None
    assert time.monotonic() - began >= 0.6
    assert waits == ["elsewhere, process 1"]
    lease.stop()


@pytest.mark.parametrize("data", [b"", b"{", b'{"schema_version": 1}'])
def test_a_damaged_lease_protects_nobody(store: LocalStore, data: bytes) -> None:
    """A lease that cannot be read is taken over instead of stopping the stage for ever."""
    store.put_bytes(KEY, data)
    with held(store, KEY) as lease:
        lease.confirm()


@pytest.mark.parametrize("ttl_s", ["NaN", "Infinity", "-Infinity", "1e999", "1e300", "-1", "0", '"soon"', "null"])
def test_a_lease_without_an_end_is_damaged(store: LocalStore, ttl_s: str) -> None:
    """A time to live that never passes, or is no time, does not block the stage forever."""
    put_lease(store, KEY, ttl_s=77.5)
    store.put_bytes(KEY, (store.get_bytes(KEY) or b"").replace(b"77.5", ttl_s.encode()))
    assert ttl_s.encode() in (store.get_bytes(KEY) or b"")
    lease = _tried(store, times=3)
    assert lease is not None
    lease.confirm()
    lease.stop()


def test_a_newer_lease_is_respected(store: LocalStore) -> None:
    """A lease of a newer program is not taken."""
    put_lease(store, KEY)
    stored = json.loads(store.get_bytes(KEY) or b"")
    store.put_bytes(KEY, json.dumps({**stored, "schema_version": 2}).encode())
    with pytest.raises(NewerFormat):
        acquire(store, KEY)


def test_an_answer_ends_the_wait(store: LocalStore) -> None:
    """While another holds the lease, the waiter asks for the result instead, and leaves with it."""
    put_lease(store, KEY, ttl_s=10_000)
    results: list[str] = []
    threading.Timer(0.1, lambda: results.append("result")).start()
    assert acquire(store, KEY, poll_s=0.01, until=lambda: results[0] if results else None) == "result"
    assert lease_record(store, KEY).owner == "other"


def test_an_error_ends_the_wait(store: LocalStore) -> None:
    """What `until` raises, such as a wish to stop, ends the wait and leaves no lock file."""
    put_lease(store, KEY, ttl_s=10_000)
    stop = StopSignal()
    stop.ask()
    with pytest.raises(Interrupted):
        acquire(store, KEY, until=stop.check)
    assert [p.name for p in (store.local_root / "alive").iterdir()] == ["folder"]


def test_a_waiter_asks_less_and_less(store: LocalStore) -> None:
    """One read a look while another holds the lease, and pauses that grow to ten times the first one."""
    put_lease(store, KEY, ttl_s=10_000)
    noting = FaultyStore(store)
    pauses: list[float] = []
    told: list[str] = []
    looks = 12
    acquire(
        noting,
        KEY,
        poll_s=0.5,
        pause=pauses.append,
        on_wait=told.append,
        until=lambda: "enough" if len(pauses) == looks else None,
    )
    assert noting.calls == [Call("read_versioned", KEY)] * looks
    assert pauses[:3] == [0.5, 0.75, 1.125]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 5.0
    assert told == ["elsewhere, process 1"]
