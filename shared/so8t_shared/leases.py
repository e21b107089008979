"""A lease on a fingerprint: of all processes that want to compute it, exactly one does.

The lease is one object, taken and renewed by compare-and-put. Its holder renews it from a thread.
Nobody compares clocks: a waiter takes a lease over after seeing it unchanged for its whole time to
live, measured by the waiter's own monotonic clock, or at once when its holder was a process of
this host, or of another container with the same local folder, that is no longer alive. A holder
that could not renew for that time counts itself out.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from so8t_shared.errors import IntegrityError, LeaseLost, NewerFormat, So8tError
from so8t_shared.host import host_name, now, process_domain, process_start
from so8t_shared.lifeline import Lifeline, lives
from so8t_shared.schema import Document
from so8t_shared.store.base import ArtifactStore

TTL_S = 60.0
"""Seconds without a renewal after which others may take a lease over: longer than a server takes to start again."""


class LeaseRecord(Document):
    """Who holds a lease."""

    owner: str
    host: str
    domain: str
    pid: int
    started: float | None
    """As `process_start` tells it within `domain`."""
    heartbeat: str
    ttl_s: float
    released: bool = False
    lifeline: str = ""
    """Where the holder keeps a lock that proves its life; see lifeline.py."""

    def is_left(self, root: Path) -> bool:
        """Whether the lease was given back, or its holder certainly ended; `root` is the local folder of who asks.

        The lifeline is asked first, because it proves life; a process is looked up only where there is none to see.
        """
        if self.released:
            return True
        alive = lives(root, self.owner, self.lifeline)
        return self._process_is_gone() if alive is None else not alive

    def _process_is_gone(self) -> bool:
        """Whether the holder was a process of this host that is certainly gone."""
        if self.domain != process_domain() or self.started is None:
            return False
        return process_start(self.pid) != self.started


class _Claim:
    """One process's wish for a lease: a name of its own, and the proof that it lives."""

    def __init__(self, store: ArtifactStore, ttl_s: float) -> None:
        self.owner = uuid.uuid4().hex
        self.ttl_s = ttl_s
        self.lifeline = Lifeline(store.local_root, self.owner)

    def record(self, *, released: bool = False) -> bytes:
        """The lease as it stands in the store while it is ours."""
        pid = os.getpid()
        return LeaseRecord(
            owner=self.owner,
            host=host_name(),
            domain=process_domain(),
            pid=pid,
            started=process_start(pid),
            heartbeat=now(),
            ttl_s=self.ttl_s,
            released=released,
            lifeline=self.lifeline.place,
        ).to_bytes()


class Lease:
    """A held lease; `stop` it when done."""

    def __init__(self, store: ArtifactStore, key: str, claim: _Claim, etag: str) -> None:
        self._store = store
        self._briefly = store.unchecked().patient(claim.ttl_s / 12)  # also for who is asked to stop
        self._key = key
        self._claim = claim
        self._etag = etag
        self._ttl_s = claim.ttl_s
        self._renewed = time.monotonic()
        self._trouble = ""
        """Why the last renewal failed."""
        self._guard = threading.Lock()
        self._ended = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._heartbeat, name="lease", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> bool:
        """Whether another process may have taken over."""
        return self._lost.is_set() or time.monotonic() - self._renewed > self._ttl_s

    def check(self) -> None:
        """Ask nobody; cheap enough for every step.

        Raises:
            LeaseLost: another process may have taken over.
        """
        if self._lost.is_set():
            raise lost_lease(self._key)
        if self.lost:
            why = f" ({self._trouble})" if self._trouble else ""
            raise LeaseLost(
                f"The lease could not be renewed for {self._ttl_s:.0f} s{why}, "
                "so another process may have taken this stage over.",
                where=self._key,
                remedy="run the same command again once the cause is gone; the work so far is kept",
            )

    def confirm(self) -> None:
        """Renew now, as the last thing before a commit.

        Raises:
            LeaseLost: another process holds the lease.
            ServerError: the store did not answer for as long as the lease is ours.
        """
        if not self.lost:
            left_s = self._renewed + self._ttl_s - time.monotonic()
            self._renew(self._store.patient(max(0.0, left_s)))
        self.check()

    def stop(self) -> None:
        """Give the lease back, so that the next process need not wait."""
        self._ended.set()
        self._thread.join()
        try:
            if not self.lost:
                with suppress(So8tError, OSError):  # then it runs out by itself
                    self._renew(self._briefly, released=True)
        finally:
            self._claim.lifeline.close()

    def _heartbeat(self) -> None:
        while not self._ended.wait(self._ttl_s / 6):
            try:
                self._renew(self._briefly)
            except (So8tError, OSError) as error:  # also too many open files, a disk's error, a network folder's
                self._trouble = error.what.rstrip(".") if isinstance(error, So8tError) else str(error)
                continue  # tried again until the time to live is over, then `lost` says so
            if self.lost:
                return

    def _renew(self, store: ArtifactStore, *, released: bool = False) -> None:
        with self._guard:
            data = self._claim.record(released=released)
            began = time.monotonic()
            etag = store.compare_and_put(self._key, data, self._etag)
            if etag is None and (own := self._own_etag(store)) is not None:
                etag = store.compare_and_put(self._key, data, own)
            if etag is None:
                self._lost.set()
            else:
                self._etag, self._renewed, self._trouble = etag, began, ""

    def _own_etag(self, store: ArtifactStore) -> str | None:
        """Etag of the stored lease if it is ours: an earlier renewal was written, and only its answer was lost."""
        current = store.read_versioned(self._key)
        try:
            holder = _holder(current[0], self._key) if current else None
        except NewerFormat:
            return None  # another program's
        return current[1] if current and holder and holder.owner == self._claim.owner else None


def lost_lease(key: str) -> LeaseLost:
    """The error of a process whose lease was taken over."""
    return LeaseLost(
        "Another process took this stage over, so its result is not committed here.",
        where=key,
        remedy="nothing: the other process finishes the stage",
    )


def acquire(
    store: ArtifactStore,
    key: str,
    *,
    ttl_s: float = TTL_S,
    poll_s: float = 0.5,
    give_up: Callable[[], bool] = lambda: False,
    on_wait: Callable[[str], None] = lambda holder: None,
) -> Lease | None:
    """Take the lease, waiting for a living holder to end.

    `give_up` is asked between tries; when it says True (the artifact is committed, the user wants
    to stop) the answer is None. `on_wait` is told who holds the lease.
    """
    claim = _Claim(store, ttl_s)
    etag = None
    try:
        seen_etag, seen_since = "", time.monotonic()
        while etag is None and not give_up():
            etag = store.put_if_absent(key, claim.record())
            if etag is None and (current := store.read_versioned(key)) is not None:
                holder, current_etag = _holder(current[0], key), current[1]
                if current_etag != seen_etag:
                    seen_etag, seen_since = current_etag, time.monotonic()
                if holder is None or _is_free(store, holder, silent_s=time.monotonic() - seen_since):
                    etag = store.compare_and_put(key, claim.record(), current_etag)
                else:
                    on_wait(f"{holder.host}, process {holder.pid}")
            if etag is None:
                time.sleep(poll_s)
    finally:
        if etag is None:
            claim.lifeline.close()
    return None if etag is None else Lease(store, key, claim, etag)


def _is_free(store: ArtifactStore, holder: LeaseRecord, *, silent_s: float) -> bool:
    return silent_s > holder.ttl_s or holder.is_left(store.local_root)


def _holder(data: bytes, key: str) -> LeaseRecord | None:
    """Who holds the lease; None when what is stored is damaged: it protects nobody, since a commit asks again."""
    try:
        return LeaseRecord.from_bytes(data, key)
    except NewerFormat:
        raise
    except IntegrityError:
        return None
