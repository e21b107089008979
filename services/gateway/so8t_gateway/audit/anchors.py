"""Anchors: small objects in the store that say which hash a line has. Whoever rewrites the log cannot rewrite them.

    audit/<log>/<segment>-<line>.json    {"format": 1, "hash": H, "log": L, "n": N, "segment": S}

There is one for the last line of every closed segment, and now and then one for the segment that grows. They are
written once; a bucket with object lock keeps them as long as the log. The server notes when it got one.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from so8t_gateway.audit.line import FORMAT
from so8t_gateway.audit.log import Head
from so8t_gateway.audit.segments import segments_of
from so8t_gateway.audit.tail import last_line
from so8t_shared.canonical import canonical_json
from so8t_shared.errors import So8tError
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.sealed import put_sealed, versions

_ROOT = "audit"
_PATIENCE_S = 20.0
_LAST_TRY_S = 5.0
_KEPT_AT_LEAST = timedelta(days=365)

log = logging.getLogger("so8t.think")


@dataclass(frozen=True)
class Anchor:
    """What the store says about a line."""

    n: int
    hash: str
    key: str
    fault: str = ""
    """What happened to the object itself; empty if it is as it was written."""


class Anchors:
    """The anchors of one log in a store."""

    def __init__(self, store: ArtifactStore, log_id: str, kept: timedelta | None = None) -> None:
        """`kept`: how long segments are kept; the anchors are locked for as long, and for a year at least."""
        self._store = store
        self._log = log_id
        self._kept = max(kept or _KEPT_AT_LEAST, _KEPT_AT_LEAST)

    def put(self, head: Head, *, patience_s: float = _PATIENCE_S) -> bool:
        """Anchor a line; return whether the server locked the object.

        Raises:
            ServerError, StorageError: the store cannot be written now.
        """
        key = f"{_ROOT}/{self._log}/{head.segment:08d}-{head.n:012d}.json"
        data = canonical_json(
            {"format": FORMAT, "hash": head.hash, "log": self._log, "n": head.n, "segment": head.segment}
        )
        store = self._store.patient(patience_s)
        sealed = put_sealed(store, key, data, datetime.now(UTC) + self._kept)
        if not sealed.new and store.get_bytes(key) != data:
            log.error("the store has another anchor for line %d of the audit log: run 'so8t-ab audit verify'", head.n)
        return sealed.locked

    def missing(self, folder: Path) -> list[Head]:
        """The last lines of closed segments for which the store has no anchor."""
        there = set(self._store.patient(_PATIENCE_S).list(f"{_ROOT}/{self._log}"))
        found = []
        for segment in segments_of(folder)[:-1]:
            last = last_line(segment)
            if last and f"{_ROOT}/{self._log}/{segment.number:08d}-{last.n:012d}.json" not in there:
                found.append(Head(segment.number, last.n, last.hash))
        return found


def read_anchors(store: ArtifactStore, log_id: str) -> list[Anchor]:
    """The anchors of a log, by line; of a replaced or deleted object, what it first said.

    Raises:
        ServerError: the store cannot be read.
    """
    found: dict[str, Anchor] = {}
    first: dict[str, bytes] = {}
    for version in versions(store, f"{_ROOT}/{log_id}"):
        key = version.key
        if key not in found:
            first[key] = version.data or b""
            found[key] = _read(key, first[key], log_id)
        elif version.data != first[key]:
            why = "was deleted" if version.data is None else "was replaced"
            found[key] = Anchor(found[key].n, found[key].hash, key, f"the anchor {why}; its first version is used")
    return sorted(found.values(), key=lambda anchor: anchor.n)


def other_logs(store: ArtifactStore, log_id: str) -> set[str]:
    """Names of other logs that have anchors in the store."""
    return {key.split("/")[1] for key in store.list(_ROOT)} - {log_id}


def _read(key: str, data: bytes, log_id: str) -> Anchor:
    raw: Any = None
    with suppress(ValueError):
        raw = json.loads(data)
    if not (isinstance(raw, dict) and raw.get("log") == log_id and isinstance(raw.get("n"), int)):
        return Anchor(0, "", key, "the anchor cannot be read")
    return Anchor(raw["n"], str(raw.get("hash")), key)


class Anchoring(threading.Thread):
    """Anchors what is closed, and the growing segment every `every_s` seconds; a store that is away is asked again."""

    def __init__(self, anchors: Anchors, folder: Path, head: Callable[[], Head], every_s: float) -> None:
        super().__init__(name="audit-anchors", daemon=True)
        self._anchors, self._folder, self._head, self._every_s = anchors, folder, head, every_s
        self._wake = threading.Event()
        self._ended = False
        self._listed = False
        self._pending: deque[Head] = deque()
        self._done: Head | None = None
        self._told = False

    def closed(self, heads: Iterable[Head]) -> None:
        """Anchor these last lines of segments soon."""
        self._pending.extend(heads)
        if self._pending:
            self._wake.set()

    def end(self) -> None:
        """Anchor the last line, in one short try, and stop."""
        self._ended = True
        self._wake.set()
        self.join()

    def run(self) -> None:
        """Work until `end`."""
        while not self._ended:
            self._round(_PATIENCE_S)
            self._wake.wait(self._every_s)
            self._wake.clear()
        self._round(_LAST_TRY_S)

    def _round(self, patience_s: float) -> None:
        try:
            if not self._listed:
                self._pending.extendleft(reversed(self._anchors.missing(self._folder)))
                self._listed = True
            while self._pending:
                self._put(self._pending[0], patience_s)
                self._pending.popleft()
            head = self._head()
            if head != self._done:
                self._put(head, patience_s)
                self._done = head
        except So8tError as error:
            log.warning("the audit log could not be anchored, which is tried again: %s", error.what)
        except Exception as error:  # noqa: BLE001 - without this thread, nothing would be anchored any more
            log.error("the audit log could not be anchored, which is tried again: %s", type(error).__name__)

    def _put(self, head: Head, patience_s: float) -> None:
        if not self._anchors.put(head, patience_s=patience_s) and not self._told:
            log.warning("the store does not lock the audit log's anchors: whoever may write there can remove them")
            self._told = True
