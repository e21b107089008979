"""What a waiter can see of a lease."""

from __future__ import annotations

import time

import pytest
from tests.unit.shared.material import held

from so8t_shared.errors import NewerFormat
from so8t_shared.leases.holder import Holder, Sight, Watch, holder_of
from so8t_shared.store.local import LocalStore

KEY = "artifacts/train/0/lease.json"


def _elsewhere(**changes: object) -> Holder:
    """A lease of a process that cannot be looked up from here."""
    values = {"owner": "o", "host": "h", "domain": "d", "pid": 1, "started": 1.0, "heartbeat": "2001", "ttl_s": 0.3}
    return Holder.model_validate({**values, **changes})


def test_nothing_there(store: LocalStore) -> None:
    """Where there is no lease, it is free, and nobody holds it."""
    assert Watch(store, KEY).look() == Sight("", None, free=True, heard=False)


def test_silence_is_told_by_our_own_clock(store: LocalStore) -> None:
    """A lease of another host is free once the same version was seen over its whole time to live."""
    holder = _elsewhere()
    store.put_bytes(KEY, holder.to_bytes())
    watch = Watch(store, KEY)
    assert not watch.look().free
    assert not watch.look().heard
    time.sleep(holder.ttl_s + 0.05)
    assert watch.look().free
    assert not Watch(store, KEY).look().free  # who has just come knows nothing of that


def test_a_heartbeat_is_heard(store: LocalStore) -> None:
    """Another version than that of the last look is a sign of life, and the silence begins anew."""
    watch = Watch(store, KEY)
    for number in range(3):
        store.put_bytes(KEY, _elsewhere(heartbeat=str(number)).to_bytes())
        sight = watch.look()
        assert (sight.free, sight.heard) == (False, number > 0)
        time.sleep(0.2)


def test_a_living_holder_here_is_known_at_once(store: LocalStore) -> None:
    """Nobody has to listen for a process of this host."""
    with held(store, KEY):
        sight = Watch(store, KEY).look()
        assert (sight.free, sight.heard) == (False, True)
    assert Watch(store, KEY).look().free


def test_who_cannot_know_says_so(store: LocalStore) -> None:
    """Of a process of another host it is not known whether it lives; a released lease is left all the same."""
    assert _elsewhere().lives(store.local_root) is None
    assert not _elsewhere().is_left(store.local_root)
    assert _elsewhere(released=True).is_left(store.local_root)


@pytest.mark.parametrize("data", [b"", b"{", b'{"schema_version": 1}'])
def test_damage_is_nobody(store: LocalStore, data: bytes) -> None:
    """A lease that cannot be read has no holder; a newer program's is an error instead."""
    assert holder_of(data, KEY) is None
    store.put_bytes(KEY, data)
    sight = Watch(store, KEY).look()
    assert (sight.holder, sight.free, bool(sight.etag)) == (None, True, True)
    with pytest.raises(NewerFormat):
        holder_of(b'{"schema_version": 99}', KEY)


def test_what_an_older_version_wrote_is_read() -> None:
    """The format has not changed: a lease without the newest field is a lease."""
    data = b'{"schema_version": 1, "owner": "o", "host": "h", "domain": "d", "pid": 1, "started": 1795370000.5, '
    holder = holder_of(data + b'"heartbeat": "2026-01-01T00:00:00+00:00", "ttl_s": 60.0, "released": false}', KEY)
    assert holder is not None
    assert holder.lifeline == ""
