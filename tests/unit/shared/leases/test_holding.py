"""Holding a lease: renewals keep it through hiccups, and the holder knows when it has lost it."""

from __future__ import annotations

import errno
import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.material import held, lease_record, steal
from tests.unit.shared.processes import exit_code, running, until

from so8t_shared.errors import InputError, LeaseLost, ServerError, StorageError
from so8t_shared.leases.lease import acquire
from so8t_shared.store.local import LocalStore
from so8t_shared.store.testing.faulty import Call, Fault, FaultyStore

KEY = "artifacts/train/0/lease.json"
AWAY = Fault("compare_and_put", ServerError("The store's server does not answer: request timed out."))


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


def test_a_stopped_holder_is_followed_and_knows_it(store: LocalStore, tmp_path: Path) -> None:
    """A holder that was suspended beyond its time finds its lease gone when it wakes up."""

    def hold() -> None:
        lease = acquire(LocalStore(Path(store.location)), KEY, ttl_s=2.0)
        assert lease is not None
        (tmp_path / "held").touch()  # not before: it would be suspended with the store's lock in its hands
        while not lease.lost:
            time.sleep(0.02)
        try:
            lease.confirm()
        except LeaseLost:
            lease.stop()
            os._exit(42)

    with running(hold) as holder:
        until((tmp_path / "held").is_file, "the lease of the other process")
        assert holder.pid is not None
        os.kill(holder.pid, signal.SIGSTOP)
        with held(store, KEY) as ours:
            os.kill(holder.pid, signal.SIGCONT)
            assert exit_code(holder) == 42
            ours.confirm()
            assert lease_record(store, KEY).pid == os.getpid()


def test_confirm_refuses_a_stolen_lease(store: LocalStore) -> None:
    """The last question before a commit notices a takeover, and the loser does not release the thief's lease."""
    with held(store, KEY) as lease:
        steal(store, KEY)
        with pytest.raises(LeaseLost) as caught:
            lease.confirm()
        assert caught.value.exit_code == 75
        assert lease.lost
    assert lease_record(store, KEY).owner == "thief"
    assert not lease_record(store, KEY).released


def test_check_asks_nobody(store: LocalStore) -> None:
    """`check` says what is known without a request, and raises once the lease is lost."""
    noting = FaultyStore(store)
    with held(noting, KEY) as lease:
        noting.calls.clear()
        lease.check()
        steal(store, KEY)
        lease.check()
        assert noting.calls == []
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


def test_a_lost_answer_does_not_lose_the_lease(store: LocalStore) -> None:
    """A renewal that was written but not answered is recognized as ours the next time."""
    lossy = FaultyStore(store, [Fault("compare_and_put", ServerError("the answer was lost"), at="after", times=1)])
    with held(lossy, KEY) as lease:
        with pytest.raises(ServerError):
            lease.confirm()
        lease.confirm()
        assert not lease.lost
        assert lease_record(store, KEY).owner != "thief"


def test_a_holder_without_a_store_counts_itself_out(store: LocalStore, said: Said) -> None:
    """Unable to renew for its whole time to live, the holder no longer trusts its lease."""
    with held(FaultyStore(store, [AWAY]), KEY, ttl_s=1.0) as lease:
        assert not lease.lost
        until(lambda: lease.lost, "the holder's own doubt")
        with said.raised(LeaseLost, where=KEY):
            lease.confirm()


def test_an_outage_to_the_end_of_the_lease(store: LocalStore, said: Said) -> None:
    """A renewal tried in vain for as long as the lease is ours ends as a lost lease, resumable, with the cause."""

    def try_in_vain(call: Call) -> None:
        time.sleep(0.99 * call.patience_s)
        raise ServerError("The server does not answer.")

    with held(FaultyStore(store, [Fault("compare_and_put", try_in_vain)]), KEY, ttl_s=1.0) as lease:
        with said.raised(LeaseLost, where=KEY):
            lease.confirm()
        assert not lease.taken


def test_confirming_by_way_of_another_store(store: LocalStore) -> None:
    """What may end the trying is the caller's choice: the renewal goes through the store that it gives."""
    with held(store, KEY) as lease:
        with pytest.raises(ServerError):
            lease.confirm(FaultyStore(store, [AWAY]))
        lease.confirm()


HICCUPS = [
    ServerError("no answer"),
    StorageError("The disk is full."),
    InputError("x"),
    *(OSError(number, os.strerror(number)) for number in (errno.EMFILE, errno.EIO, errno.ESTALE)),
]


@pytest.mark.parametrize("error", HICCUPS, ids=str)
def test_any_hiccup_is_tried_again(store: LocalStore, error: Exception) -> None:
    """A renewal that fails once, for whatever reason, does not end the heartbeat: the lease is kept."""
    hiccup = Fault("compare_and_put", error, times=1)
    with held(FaultyStore(store, [hiccup]), KEY, ttl_s=2.0) as lease:
        first = store.stat(KEY)
        until(lambda: store.stat(KEY) != first, "a renewal after the failed one")
        assert hiccup.met > 1
        lease.check()


def test_what_a_failing_disk_said_is_told(store: LocalStore, said: Said) -> None:
    """When no renewal succeeded in time, the last cause is in the message, not a server that was never asked."""
    failing = Fault("compare_and_put", OSError(errno.EMFILE, "Too many open files"))
    with held(FaultyStore(store, [failing]), KEY, ttl_s=0.5) as lease:
        until(lambda: lease.lost, "the holder's own doubt")
        with said.raised(LeaseLost, where=KEY):
            lease.check()


def test_taken_over_by_a_newer_program(store: LocalStore) -> None:
    """A newer program's lease, which cannot be read here, is another's all the same."""
    with held(store, KEY, ttl_s=30) as lease:
        record = json.loads(store.get_bytes(KEY) or b"")
        store.put_bytes(KEY, json.dumps({**record, "schema_version": 99}).encode())
        with pytest.raises(LeaseLost):
            lease.confirm()


def test_giving_back_never_fails(store: LocalStore) -> None:
    """A server that is gone when the lease is given back does not hide how the work ended."""
    gone = FaultyStore(store, [AWAY])
    with held(gone, KEY):
        pass
    assert gone.keys("compare_and_put") == [KEY]


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
    assert lease_record(store, KEY).owner == "thief"


def test_the_heartbeat_ends_with_the_lease(store: LocalStore) -> None:
    """No thread goes on writing after `stop`."""
    with held(store, KEY, ttl_s=0.3):
        pass
    etag = store.stat(KEY)
    time.sleep(0.4)
    assert store.stat(KEY) == etag
    assert not [t for t in threading.enumerate() if t.name == "lease"]
