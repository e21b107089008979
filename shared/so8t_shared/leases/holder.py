"""Who holds a lease, who wants it, and what a waiter has seen of it."""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from so8t_shared.documents import Document
from so8t_shared.errors import IntegrityError
from so8t_shared.host import host_name, now
from so8t_shared.leases.lifeline import Lifeline, lives
from so8t_shared.processes import process_domain, process_start
from so8t_shared.store.base import ArtifactStore


class Holder(Document):
    """lease.json: who holds a lease."""

    schema_version: Literal[1] = 1
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

    def lives(self, root: Path) -> bool | None:
        """Whether the holder's process still runs; None where this host, whose local folder is `root`, cannot know.

        The lifeline is asked first, because it proves life; a process is looked up only where there is none to see.
        """
        alive = lives(root, self.owner, self.lifeline)
        if alive is not None:
            return alive
        if self.domain != process_domain() or self.started is None:
            return None
        return process_start(self.pid) == self.started

    def is_left(self, root: Path) -> bool:
        """Whether the lease was given back, or its holder certainly ended."""
        return self.released or self.lives(root) is False


class Claim:
    """One process's wish for a lease: a name of its own, and the proof that it lives."""

    def __init__(self, store: ArtifactStore, ttl_s: float) -> None:
        self.owner = uuid.uuid4().hex
        self.ttl_s = ttl_s
        self.lifeline = Lifeline(store.local_root, self.owner)

    def to_bytes(self, *, released: bool = False) -> bytes:
        """The lease as it stands in the store while it is ours."""
        pid = os.getpid()
        return Holder(
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


@dataclass(frozen=True)
class Sight:
    """What one look at a lease showed."""

    etag: str
    """Empty where there is none."""
    holder: Holder | None
    """None where there is no lease, or a damaged one, which protects nobody: a commit asks again."""
    free: bool
    """Whether it may be taken: absent, damaged, given back, its holder gone, or silent for its time to live."""
    heard: bool = False
    """Whether its holder is known to live, or was heard of since the last look."""


class Watch:
    """One waiter's eye on a lease: how long it has not changed is told by the waiter's own clock alone."""

    def __init__(self, store: ArtifactStore, key: str) -> None:
        self.store = store
        self.key = key
        self._etag = ""
        self._since = time.monotonic()

    def look(self) -> Sight:
        """Read the lease once.

        Raises:
            NewerFormat: a newer program's lease, which is not to be taken.
        """
        began = time.monotonic()
        current = self.store.read_versioned(self.key)
        if current is None:
            return Sight("", None, free=True)
        data, etag = current
        changed = self._etag not in {"", etag}
        if etag != self._etag:
            self._etag, self._since = etag, time.monotonic()
        holder = holder_of(data, self.key)
        if holder is None:
            return Sight(etag, None, free=True)
        silent_s = began - self._since  # from the first sight of this version to the asking for the latest
        lives_here = holder.lives(self.store.local_root)
        free = holder.released or lives_here is False or silent_s > holder.ttl_s
        return Sight(etag, holder, free, heard=changed or lives_here is True)


def holder_of(data: bytes, key: str) -> Holder | None:
    """Who holds the lease; None when what is stored is damaged.

    Raises:
        NewerFormat: a newer program wrote it.
    """
    try:
        return Holder.from_bytes(data, key)
    except IntegrityError:
        return None
