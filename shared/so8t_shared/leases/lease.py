"""A lease on a fingerprint: exactly one of all processes that want to compute it does.

The lease is one object, taken and renewed by compare-and-put. Its holder renews it from a thread.
Clocks are never compared: a waiter takes over a lease after seeing it unchanged for its whole time to
live, measured by the waiter's own monotonic clock, or immediately if its holder was a process on
this host, or in another container with the same local folder, that is no longer alive. A holder
that could not renew for that time considers its lease lost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from so8t_shared.errors import LeaseLost, NewerFormat, ServerError, So8tError
from so8t_shared.leases.holder import Claim, Sight, Watch, holder_of
from so8t_shared.store.base import ArtifactStore

T = TypeVar("T")

TTL_S = 60.0
"""Seconds without a renewal after which others may take over a lease: longer than a server takes to restart."""

_A_MOMENT = 12
"""Fraction (1/12) of a lease's time to live that a background renewal, or the pause between two tries, may take."""

_SLOWER = 1.5
_LONGEST = 10
"""A waiter's pauses grow to this many times the first one: from half a second to five."""


class Lease:
    """A held lease; `stop` it when done."""

    def __init__(
        self, store: ArtifactStore, key: str, claim: Claim, etag: str, began: float, *, follows_silence: bool = False
    ) -> None:
        self.follows_silence = follows_silence
        """Whether the holder before was only silent: it may be suspended, and wake up in the middle of a write."""
        self._store = store
        self._briefly = store.checked(lambda: None).patient(claim.ttl_s / _A_MOMENT)  # even after a stop request
        self._key = key
        self._claim = claim
        self._etag = etag
        self._ttl_s = claim.ttl_s
        self._renewed = began
        self._trouble = ""
        """Why the last renewal failed."""
        self._guard = threading.Lock()
        self._ended = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._heartbeat, name="lease", daemon=True)
        self._thread.start()

    @property
    def taken(self) -> bool:
        """Whether another process is known to have taken over."""
        return self._lost.is_set()

    @property
    def lost(self) -> bool:
        """Whether another process may have taken over."""
        return self.taken or self._left_s < 0

    @property
    def _left_s(self) -> float:
        return self._renewed + self._ttl_s - time.monotonic()

    def check(self) -> None:
        """Check without a request; cheap enough for every step.

        Raises:
            LeaseLost: another process may have taken over.
        """
        if self.taken:
            raise lost_lease(self._key)
        if self.lost:
            raise self._silent()

    def _silent(self) -> LeaseLost:
        why = f" ({self._trouble})" if self._trouble else ""
        return LeaseLost(
            f"The lease could not be renewed for {self._ttl_s:.0f} s{why}, "
            "so another process may have taken over this stage.",
            where=self._key,
            remedy="fix the cause, then run the same command again to resume",
        )

    def confirm(self, through: ArtifactStore | None = None) -> None:
        """Renew now, right before a commit; `through` is the view of the store that the commit will use.

        Raises:
            LeaseLost: another process holds the lease, or may: the store did not answer while it was still ours.
            ServerError: the store refuses.
        """
        if not self.lost:
            try:
                self._renew((through or self._store).patient(max(0.0, self._left_s)))
            except ServerError as error:
                self._trouble = error.what.rstrip(".")
                if self._left_s < self._ttl_s / _A_MOMENT:  # no time for another try
                    raise self._silent() from error
                raise
        self.check()

    def stop(self) -> None:
        """Release the lease, so that the next process need not wait."""
        self._ended.set()
        self._thread.join()
        try:
            if not self.lost:
                with suppress(So8tError, OSError):  # then it expires by itself
                    self._renew(self._briefly, released=True)
        finally:
            self._claim.lifeline.close()

    def discard(self) -> None:
        """End the lease and remove its object, the last one of a deleted artifact.

        Raises:
            LeaseLost: another process holds the lease; it stays.
        """
        self._ended.set()
        self._thread.join()
        try:
            self.confirm()
            self._store.delete(self._key)
        finally:
            self._lost.set()
            self._claim.lifeline.close()

    def _heartbeat(self) -> None:
        while not self._ended.wait(self._ttl_s / 6):
            try:
                self._renew(self._briefly)
            except (So8tError, OSError) as error:  # including too many open files, disk errors, network folder errors
                self._trouble = error.what.rstrip(".") if isinstance(error, So8tError) else str(error)
                continue  # retried until the time to live is over; then `lost` is True
            if self.lost:
                return

    def _renew(self, store: ArtifactStore, *, released: bool = False) -> None:
        with self._guard:
            data = self._claim.to_bytes(released=released)
            began = time.monotonic()
            etag = store.compare_and_put(self._key, data, self._etag)
            if etag is None and (own := self._own_etag(store)) is not None:
                etag = store.compare_and_put(self._key, data, own)
            if etag is None:
                self._lost.set()
            else:
                self._etag, self._renewed, self._trouble = etag, began, ""

    def _own_etag(self, store: ArtifactStore) -> str | None:
        """Etag of the stored lease if it is ours: an earlier renewal was written, but its response was lost."""
        current = store.read_versioned(self._key)
        try:
            holder = holder_of(current[0], self._key) if current else None
        except NewerFormat:
            return None  # another program's lease
        return current[1] if current and holder and holder.owner == self._claim.owner else None


def lost_lease(key: str) -> LeaseLost:
    """The error for a process whose lease was taken over."""
    return LeaseLost(
        "Another process took over this stage, so this result is not committed.",
        where=key,
        remedy="nothing: the other process finishes the stage",
    )


def acquire(
    store: ArtifactStore,
    key: str,
    *,
    until: Callable[[], T | None] = lambda: None,
    ttl_s: float = TTL_S,
    poll_s: float = 0.5,
    pause: Callable[[float], object] = time.sleep,
    on_wait: Callable[[str], None] = lambda holder: None,
) -> Lease | T:
    """Take the lease, waiting while a holder is alive.

    `until` is called before each try: a result other than None (the artifact that the holder
    committed) is returned instead of a lease; it may raise to end the wait. The pauses grow from `poll_s` seconds
    to ten times that. `on_wait` is called once for each holder.
    """
    watch, claim = Watch(store, key), Claim(store, ttl_s)
    lease, pause_s, told = None, poll_s, ""
    try:
        while True:
            if (answer := until()) is not None:
                return answer
            sight = watch.look()
            if (lease := _taken(watch, claim, sight)) is not None:
                return lease
            if sight.holder and not sight.free and sight.holder.owner != told:
                told = sight.holder.owner
                on_wait(f"{sight.holder.host}, process {sight.holder.pid}")
            pause(pause_s)
            pause_s = min(pause_s * _SLOWER, poll_s * _LONGEST)
    finally:
        if lease is None:
            claim.lifeline.close()


def seize(watch: Watch, *, ttl_s: float = TTL_S) -> Lease | None:
    """Take the lease if `watch` sees that it is free; looks once and does not wait."""
    claim, lease = Claim(watch.store, ttl_s), None
    try:
        lease = _taken(watch, claim, watch.look())
    finally:
        if lease is None:
            claim.lifeline.close()
    return lease


def _taken(watch: Watch, claim: Claim, sight: Sight) -> Lease | None:
    """The lease, if it was free and no other process was faster."""
    if not sight.free:
        return None
    began = time.monotonic()
    if sight.etag:
        etag = watch.store.compare_and_put(watch.key, claim.to_bytes(), sight.etag)
    else:
        etag = watch.store.put_if_absent(watch.key, claim.to_bytes())
    if etag is None:
        return None
    silent = sight.holder is not None and not sight.holder.is_left(watch.store.local_root)
    return Lease(watch.store, watch.key, claim, etag, began, follows_silence=silent)
