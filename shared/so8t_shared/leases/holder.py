"""The holder of a lease, a process's claim to it, and a waiter's observations."""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from so8t_shared.documents import Document
from so8t_shared.errors import IntegrityError
from so8t_shared.host import host_name, now
from so8t_shared.leases.lifeline import Lifeline, lives
from so8t_shared.processes import process_domain, process_start
from so8t_shared.store.base import ArtifactStore

_LONGEST_TTL_S = 86_400.0
"""A lease with a longer time to live, or none that ever passes, is damaged: it would block its stage forever."""


class Holder(Document):
    """lease.json: the holder of a lease."""

    schema_version: Literal[1] = 1
    owner: str
    host: str
    domain: str
    pid: int
    started: float | None
    """As returned by `process_start` within `domain`."""
    heartbeat: str
    ttl_s: float = Field(gt=0, le=_LONGEST_TTL_S, allow_inf_nan=False)
    released: bool = False
    lifeline: str = ""
    """Location of the lock that proves that the holder is alive; see lifeline.py."""

    def lives(self, root: Path) -> bool | None:
        """Whether the holder's process is running; None if this host, whose local folder is `root`, cannot tell.

        The lifeline comes first, because it proves liveness; the process is looked up only without a visible lifeline.
        """
        alive = lives(root, self.owner, self.lifeline)
        if alive is not None:
            return alive
        if self.domain != process_domain() or self.started is None:
            return None
        return process_start(self.pid) == self.started

    def is_left(self, root: Path) -> bool:
        """Whether the lease was released, or its holder is known to have ended."""
        return self.released or self.lives(root) is False


class Claim:
    """One process's claim to a lease: a unique name, and proof of liveness."""

    def __init__(self, store: ArtifactStore, ttl_s: float) -> None:
        self.owner = uuid.uuid4().hex
        self.ttl_s = ttl_s
        self.lifeline = Lifeline(store.local_root, self.owner)

    def to_bytes(self, *, released: bool = False) -> bytes:
        """The stored lease while it is ours."""
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
    """The result of one look at a lease."""

    etag: str
    """Empty if there is no lease."""
    holder: Holder | None
    """None without a lease, or with a damaged one, which protects nothing: a commit confirms again."""
    free: bool
    """Whether it may be taken: missing, damaged, released, its holder gone, or silent for its time to live."""
    heard: bool = False
    """Whether its holder is known to be alive, or has renewed it since the last look."""


class Watch:
    """Observes a lease for one waiter; measures only with the waiter's own clock how long it has not changed."""

    def __init__(self, store: ArtifactStore, key: str) -> None:
        self.store = store
        self.key = key
        self._etag = ""
        self._since = time.monotonic()

    def look(self) -> Sight:
        """Read the lease once.

        Raises:
            NewerFormat: the lease is a newer program's and must not be taken.
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
        silent_s = began - self._since  # from first seeing this version to the latest request
        lives_here = holder.lives(self.store.local_root)
        free = holder.released or lives_here is False or silent_s > holder.ttl_s
        return Sight(etag, holder, free, heard=changed or lives_here is True)


def holder_of(data: bytes, key: str) -> Holder | None:
    """The holder of the lease; None if the stored lease is damaged.

    Raises:
        NewerFormat: a newer program wrote it.
    """
    try:
        return Holder.from_bytes(data, key)
    except IntegrityError:
        return None
