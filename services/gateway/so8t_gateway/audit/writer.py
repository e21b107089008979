"""Many requests, one writer: whoever gets the turn writes the lines of all who wait, in one write."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future
from pathlib import Path

from so8t_gateway.audit.anchors import Anchoring, Anchors
from so8t_gateway.audit.line import Entry, Line
from so8t_gateway.audit.log import AuditLog, Head
from so8t_gateway.audit.requests import Requests
from so8t_shared.errors import So8tError

_TICK_S = 1.0
_RETIRE_S = 3600.0

log = logging.getLogger("so8t.think")


class AuditWriter:
    """Appends lines from any thread. Housekeeping closes, anchors, retires and erases in the background."""

    def __init__(self, audit_log: AuditLog, *, sync: bool, anchors: Anchors | None, anchor_s: float = 600.0) -> None:
        """`sync`: wait for the disk with every line; otherwise it has them a second later."""
        self._log = audit_log
        self._sync = sync
        self._turn = threading.Lock()
        self._waiting: list[tuple[Entry, Future[Line]]] = []
        self._guard = threading.Lock()
        self._end = threading.Event()
        self._retire_at = 0.0
        self._requests = Requests()
        self._anchoring = Anchoring(anchors, audit_log.folder, self._head, anchor_s) if anchors else None
        self._housekeeping = threading.Thread(target=self._keep_house, name="audit-house", daemon=True)
        self._housekeeping.start()
        if self._anchoring:
            self._anchoring.start()

    @property
    def folder(self) -> Path:
        """Where the log lies."""
        return self._log.folder

    def append(self, entry: Entry) -> Line:
        """Write a line, and return once it is written.

        Raises:
            StorageError: it cannot be written.
        """
        done: Future[Line] = Future()
        with self._guard:
            self._waiting.append((entry, done))
        with self._turn:
            if not done.done():
                self._write_waiting()
        return done.result()

    def append_at_once(self, entry: Entry) -> bool:
        """Write a line if nothing has to be waited for, neither the disk nor another thread; return whether it is.

        Raises:
            StorageError: it cannot be written.
        """
        if self._sync or not self._turn.acquire(blocking=False):
            return False
        try:
            if self._log.is_due:
                return False
            self._log.append([entry])
        finally:
            self._turn.release()
        return True

    def close(self) -> None:
        """Stop the housekeeping, anchor the last line and release the log."""
        self._end.set()
        self._housekeeping.join()
        self._anchor_closed()
        if self._anchoring:
            self._anchoring.end()
        self._log.close()

    def _write_waiting(self) -> None:
        with self._guard:
            batch, self._waiting = self._waiting, []
        try:
            lines = self._log.append([entry for entry, _ in batch])
            if self._sync:
                self._log.sync()
        except Exception as error:  # noqa: BLE001 - each of those who wait raises it
            for _, done in batch:
                done.set_exception(error)
            return
        for (_, done), line in zip(batch, lines, strict=True):
            done.set_result(line)

    def _head(self) -> Head:
        with self._turn:
            return self._log.head

    def _keep_house(self) -> None:
        while not self._end.wait(_TICK_S):
            try:
                self._tick()
            except So8tError as error:
                log.error("the audit log's housekeeping failed, and is tried again: %s", error.what)
            except Exception as error:  # noqa: BLE001 - without this thread, nothing would be synced, anchored or erased
                log.error("the audit log's housekeeping failed, and is tried again: %s", type(error).__name__)

    def _tick(self) -> None:
        with self._turn:
            self._log.close_if_due()
            self._requests.answer(self._log)
            if time.monotonic() >= self._retire_at:
                self._retire_at = time.monotonic() + _RETIRE_S
                self._log.retire()
            wait_for_disk = self._log.begin_sync()
        wait_for_disk()
        self._anchor_closed()

    def _anchor_closed(self) -> None:
        with self._turn:
            closed, self._log.closed = self._log.closed, []
        if self._anchoring:
            self._anchoring.closed(closed)
