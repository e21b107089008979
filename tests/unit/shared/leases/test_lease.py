"""Leases: one holder, taken over when it is dead or silent, and nobody compares clocks."""

from __future__ import annotations

import errno
import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from tests.unit.shared.material import held, steal
from tests.unit.shared.processes import exit_code, kill, race, running, until

from so8t_shared.errors import InputError, Interrupted, LeaseLost, NewerFormat, ServerError, StorageError
from so8t_shared.interruption import StopSignal
from so8t_shared.leases.lease import Lease, acquire
from so8t_shared.leases.record import LeaseRecord
from so8t_shared.processes import process_domain
from so8t_shared.store.local import LocalStore

KEY = "artifacts/train/0/lease.json"


def _record(store: LocalStore) -> LeaseRecord:
    return LeaseRecord.from_bytes(store.get_bytes(KEY) or b"", KEY)


def _put(store: LocalStore, **changes: object) -> None:
    """A lease of some other process, as it would stand in the store."""
    values: dict[str, object] = {
        "owner": "other",
        "host": "elsewhere",
        "domain": "elsewhere",
        "pid": 1,
        "started": 1.0,
        "heartbeat": "2001-01-01T00:00:00+00:00",
        "ttl_s": 0.6,
    }
    store.put_bytes(KEY, LeaseRecord.model_validate({**values, **changes}).to_bytes())


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


def test_the_record_names_the_holder(store: LocalStore) -> None:
    """Who looks at the lease learns host, process and time."""
    with held(store, KEY):
        record = _record(store)
        assert record.pid == os.getpid()
        assert record.domain == process_domain()
        assert not record.is_left(store.local_root)
    assert _record(store).is_left(store.local_root)


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
        assert _record(store).pid == os.getpid()
        lease.stop()


def _tried(store: LocalStore, times: int) -> Lease | None:
    asked = iter(range(times))
    lease = acquire(store, KEY, poll_s=0.01, until=lambda: "enough" if next(asked, None) is None else None)
    return lease if isinstance(lease, Lease) else None


def test_a_reused_process_number_is_not_the_holder(store: LocalStore) -> None:
    """A living process that merely has the dead holder's number does not keep the lease."""
    _put(store, domain=process_domain(), pid=os.getpid(), started=1.0, ttl_s=10_000)
    with held(store, KEY):
        assert _record(store).owner != "other"


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
    _put(store, domain=domain, pid=os.getpid(), started=epoch_s, ttl_s=10_000)
    assert _tried(store, times=3) is None
    assert not _record(store).is_left(store.local_root)


def test_a_dead_holder_in_another_container_is_followed_at_once(store: LocalStore) -> None:
    """Containers cannot look up each other's processes; those that share the local folder need not wait."""

    def hold() -> None:
        with held(store, KEY, ttl_s=10_000):
            _put(store, **{**_record(store).model_dump(), "domain": "another container"})
            time.sleep(60)

    with running(hold) as process:
        until(lambda: store.get_bytes(KEY) and _record(store).domain == "another container", "the lease")
        assert _tried(store, 10) is None  # it lives
        kill(process)
    with held(store, KEY):
        assert _record(store).domain == process_domain()


def test_the_same_on_another_machine_is_waited_for(store: LocalStore) -> None:
    """A lock proves nothing to a machine that shares the folder over a network: its kernel does not keep it."""

    def hold() -> None:
        with held(store, KEY, ttl_s=10_000):
            _put(store, **{**_record(store).model_dump(), "domain": "elsewhere", "lifeline": "another boot/folder"})
            time.sleep(60)

    with running(hold) as process:
        until(lambda: store.get_bytes(KEY) and _record(store).domain == "elsewhere", "the lease")
        kill(process)
    assert _tried(store, 10) is None


def test_lifelines_do_not_pile_up(store: LocalStore) -> None:
    """A lease given back, or never had, leaves no lock file."""
    with held(store, KEY):
        assert _tried(store, 2) is None
    assert [p.name for p in (store.local_root / "alive").iterdir()] == ["folder"]


def test_silent_holder_of_another_host_is_followed_after_its_time(store: LocalStore) -> None:
    """A holder that cannot be looked up is waited for as long as it promised to be heard of, then followed."""
    _put(store, ttl_s=0.6)
    waits: list[str] = []
    began = time.monotonic()
    lease = acquire(store, KEY, poll_s=0.02, on_wait=waits.append)
    assert lease is not None
    assert time.monotonic() - began >= 0.6
    assert waits == ["elsewhere, process 1"]
    lease.stop()


def test_a_heartbeat_keeps_the_lease(store: LocalStore) -> None:
    """A holder that is heard of keeps the lease far beyond its time to live, whatever the clocks say."""
    with held(store, KEY, ttl_s=2.0) as lease:
        first = store.stat(KEY)
        ended = time.monotonic() + 3.0
        taken = acquire(store, KEY, poll_s=0.02, until=lambda: "enough" if time.monotonic() > ended else None)
        assert taken == "enough"
        assert not lease.lost
        assert store.stat(KEY) != first
        lease.confirm()


def test_a_stopped_holder_is_followed_and_knows_it(store: LocalStore) -> None:
    """A holder that was suspended beyond its time finds its lease gone when it wakes up."""

    def hold() -> None:
        lease = acquire(LocalStore(Path(store.location)), KEY, ttl_s=2.0)
        assert lease is not None
        while not lease.lost:
            time.sleep(0.02)
        try:
            lease.confirm()
        except LeaseLost:
            lease.stop()
            os._exit(42)

    with running(hold) as holder:
        until(lambda: store.stat(KEY), "the lease of the other process")
        assert holder.pid is not None
        os.kill(holder.pid, signal.SIGSTOP)
        with held(store, KEY) as ours:
            os.kill(holder.pid, signal.SIGCONT)
            assert exit_code(holder) == 42
            ours.confirm()
            assert _record(store).pid == os.getpid()


def test_confirm_refuses_a_stolen_lease(store: LocalStore) -> None:
    """The last question before a commit notices a takeover, and the loser does not release the thief's lease."""
    with held(store, KEY) as lease:
        steal(store, KEY)
        with pytest.raises(LeaseLost) as caught:
            lease.confirm()
        assert caught.value.exit_code == 75
        assert lease.lost
    assert _record(store).owner == "thief"
    assert not _record(store).released


def test_check_asks_nobody(tmp_path: Path) -> None:
    """`check` says what is known without a request, and raises once the lease is lost."""
    store = _Flaky(tmp_path / "store")
    with held(store, KEY) as lease:
        store.unreachable.set()
        lease.check()
        store.unreachable.clear()
        steal(store, KEY)
        lease.check()
        with pytest.raises(LeaseLost):
            lease.confirm()
        with pytest.raises(LeaseLost):
            lease.check()


def test_confirm_refuses_a_deleted_lease(store: LocalStore) -> None:
    """A lease that somebody removed is lost."""
    with held(store, KEY) as lease:
        store.delete(KEY)
        with pytest.raises(LeaseLost):
            lease.confirm()


class _Flaky(LocalStore):
    """Loses its answers, or all of its connection, when told to."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.unreachable = threading.Event()  # as all three, the same for every view of the store
        self.lost_answers: list[str] = []
        self.errors: list[Exception] = []
        """Raised by the next writes, one each."""

    def compare_and_put(self, key: str, data: bytes, etag: str) -> str | None:
        if self.unreachable.is_set():
            raise ServerError("The store's server does not answer: no answer in time.")
        if self.errors:
            raise self.errors.pop()
        result = super().compare_and_put(key, data, etag)
        if self.lost_answers:
            self.lost_answers.pop()
            raise ServerError("the answer was lost")
        return result


def test_a_lost_answer_does_not_lose_the_lease(tmp_path: Path) -> None:
    """A renewal that was written but not answered is recognized as ours the next time."""
    store = _Flaky(tmp_path / "store")
    with held(store, KEY) as lease:
        store.lost_answers.append("one")
        with pytest.raises(ServerError):
            lease.confirm()
        lease.confirm()
        assert not lease.lost
        assert _record(store).owner != "thief"


def test_a_holder_without_a_store_counts_itself_out(tmp_path: Path) -> None:
    """Unable to renew for its whole time to live, the holder no longer trusts its lease."""
    store = _Flaky(tmp_path / "store")
    with held(store, KEY, ttl_s=1.0) as lease:
        store.unreachable.set()
        assert not lease.lost
        until(lambda: lease.lost, "the holder's own doubt")
        with pytest.raises(LeaseLost, match="does not answer: no answer in time"):
            lease.confirm()


class _Silent(LocalStore):
    """A server that is away: a request is tried for as long as it may be."""

    patience_s = 0.0
    away = False

    def patient(self, seconds: float) -> _Silent:
        view = _Silent(Path(self.location))
        view.patience_s, view.away = seconds, self.away
        return view

    def compare_and_put(self, key: str, data: bytes, etag: str) -> str | None:
        if not self.away:
            return super().compare_and_put(key, data, etag)
        time.sleep(0.99 * self.patience_s)
        raise ServerError("The server does not answer.")


def test_an_outage_to_the_end_of_the_lease(tmp_path: Path) -> None:
    """A renewal tried in vain for as long as the lease is ours ends as a lost lease, resumable, with the cause."""
    store = _Silent(tmp_path / "store")
    with held(store, KEY, ttl_s=1.0) as lease:
        store.away = True
        with pytest.raises(LeaseLost, match=r"could not be renewed for 1 s \(The server does not answer\)"):
            lease.confirm()
        assert not lease.taken


def test_confirming_by_way_of_another_store(store: LocalStore) -> None:
    """What may end the trying is the caller's choice: the renewal goes through the store that it gives."""
    view = _Flaky(Path(store.location))
    view.unreachable.set()
    with held(store, KEY) as lease:
        with pytest.raises(ServerError):
            lease.confirm(view)
        lease.confirm()


HICCUPS = [
    ServerError("no answer"),
    StorageError("The disk is full."),
    InputError("x"),
    *(OSError(number, os.strerror(number)) for number in (errno.EMFILE, errno.EIO, errno.ESTALE)),
]


@pytest.mark.parametrize("error", HICCUPS, ids=str)
def test_any_hiccup_is_tried_again(tmp_path: Path, error: Exception) -> None:
    """A renewal that fails once, for whatever reason, does not end the heartbeat: the lease is kept."""
    store = _Flaky(tmp_path / "store")
    with held(store, KEY, ttl_s=2.0) as lease:
        first = store.stat(KEY)
        store.errors.append(error)
        until(lambda: store.stat(KEY) != first, "a renewal after the failed one")
        assert not store.errors
        lease.check()


def test_what_a_failing_disk_said_is_told(tmp_path: Path) -> None:
    """When no renewal succeeded in time, the last cause is in the message, not a server that was never asked."""
    store = _Flaky(tmp_path / "store")
    with held(store, KEY, ttl_s=0.5) as lease:
        store.errors += [OSError(errno.EMFILE, "Too many open files")] * 1000
        until(lambda: lease.lost, "the holder's own doubt")
        with pytest.raises(LeaseLost, match="Too many open files"):
            lease.check()


def test_taken_over_by_a_newer_program(store: LocalStore) -> None:
    """A newer program's lease, which cannot be read here, is another's all the same."""
    with held(store, KEY, ttl_s=30) as lease:
        record = json.loads(store.get_bytes(KEY) or b"")
        store.put_bytes(KEY, json.dumps({**record, "schema_version": 99}).encode())
        with pytest.raises(LeaseLost):
            lease.confirm()


def test_giving_back_never_fails(tmp_path: Path) -> None:
    """A server that is gone when the lease is given back does not hide how the work ended."""
    store = _Flaky(tmp_path / "store")
    with held(store, KEY):
        store.unreachable.set()


@pytest.mark.parametrize("data", [b"", b"{", b'{"schema_version": 1}'])
def test_a_damaged_lease_protects_nobody(store: LocalStore, data: bytes) -> None:
    """A lease that cannot be read is taken over instead of stopping the stage for ever."""
    store.put_bytes(KEY, data)
    with held(store, KEY) as lease:
        lease.confirm()


def test_a_newer_lease_is_respected(store: LocalStore) -> None:
    """A lease of a newer program is not taken."""
    _put(store)
    record = json.loads(store.get_bytes(KEY) or b"")
    store.put_bytes(KEY, json.dumps({**record, "schema_version": 2}).encode())
    with pytest.raises(NewerFormat):
        acquire(store, KEY)


def test_an_answer_ends_the_wait(store: LocalStore) -> None:
    """While another holds the lease, the waiter asks for the result instead, and leaves with it."""
    _put(store, ttl_s=10_000)
    results: list[str] = []
    threading.Timer(0.1, lambda: results.append("result")).start()
    assert acquire(store, KEY, poll_s=0.01, until=lambda: results[0] if results else None) == "result"
    assert _record(store).owner == "other"


def test_an_error_ends_the_wait(store: LocalStore) -> None:
    """What `until` raises, such as a wish to stop, ends the wait and leaves no lock file."""
    _put(store, ttl_s=10_000)
    stop = StopSignal()
    stop.ask()
    with pytest.raises(Interrupted):
        acquire(store, KEY, until=stop.check)
    assert [p.name for p in (store.local_root / "alive").iterdir()] == ["folder"]


class _Counting(LocalStore):
    """Notes its requests."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked: list[str] = []

    def read_versioned(self, key: str) -> tuple[bytes, str] | None:
        self.asked.append("read")
        return super().read_versioned(key)

    def put_if_absent(self, key: str, data: bytes) -> str | None:
        self.asked.append("write")
        return super().put_if_absent(key, data)


def test_a_waiter_asks_less_and_less(tmp_path: Path) -> None:
    """One read a look while another holds the lease, and pauses that grow to ten times the first one."""
    store = _Counting(tmp_path / "store")
    _put(store, ttl_s=10_000)
    pauses: list[float] = []
    told: list[str] = []
    looks = 12
    acquire(
        store,
        KEY,
        poll_s=0.5,
        pause=pauses.append,
        on_wait=told.append,
        until=lambda: "enough" if len(pauses) == looks else None,
    )
    assert store.asked == ["read"] * looks
    assert pauses[:3] == [0.5, 0.75, 1.125]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 5.0
    assert told == ["elsewhere, process 1"]


def test_discarding(store: LocalStore) -> None:
    """A discarded lease leaves nothing, and stopping it afterwards does not bring it back."""
    with held(store, KEY) as lease:
        lease.discard()
        assert store.stat(KEY) is None
    assert store.stat(KEY) is None
    assert [p.name for p in (store.local_root / "alive").iterdir()] == ["folder"]


def test_anothers_lease_is_not_discarded(store: LocalStore) -> None:
    """Who was robbed does not remove the thief's lease."""
    with held(store, KEY) as lease:
        steal(store, KEY)
        with pytest.raises(LeaseLost):
            lease.discard()
    assert _record(store).owner == "thief"


def test_the_heartbeat_ends_with_the_lease(store: LocalStore) -> None:
    """No thread goes on writing after `stop`."""
    with held(store, KEY, ttl_s=0.3):
        pass
    etag = store.stat(KEY)
    time.sleep(0.4)
    assert store.stat(KEY) == etag
    assert not [t for t in threading.enumerate() if t.name == "lease"]
