"""The sha256 of a file whose pieces are written or read in any order, ready as soon as the last of them is."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import Future, ThreadPoolExecutor

from so8t_converter.plan import Bytes
from so8t_shared.files import read_at


class RunningDigest:
    """Hashes a file up to the first gap in it; for several threads, which run meanwhile.

    Whoever writes, or reads, the piece at the gap hashes it from memory. What was behind it before is read back, which
    the system does from memory too.
    """

    def __init__(self, handle: int, pool: ThreadPoolExecutor) -> None:
        """`handle` is the open file; a thread of `pool` reads back."""
        self._handle, self._pool = handle, pool
        self._sha256 = hashlib.sha256()
        self._lock = threading.Lock()
        self._hashed = 0
        self._written: dict[int, int] = {}
        """Start and end of each piece that is written but not hashed."""
        self._is_busy = False
        self._reading: Future[None] | None = None

    def add(self, start: int, end: int, data: Bytes | None = None) -> None:
        """Note that the bytes from `start` to `end` are in the file: `data` and zeros, if they are still in memory."""
        with self._lock:
            self._written[start] = end
            if self._is_busy or start != self._hashed:
                return
            self._is_busy = True
        if data is not None:
            self._sha256.update(data.data)
            self._sha256.update(bytes(end - start - data.size))
            if not self._advance():
                return
        self._reading = self._pool.submit(self._catch_up)

    @property
    def hashed_bytes(self) -> int:
        """Size of the file's beginning that is hashed."""
        return self._hashed

    def fill(self, size_bytes: int) -> None:
        """Read and hash what no thread has added up to the file's end; none may add any more."""
        while self._wait() < size_bytes:
            behind = min((start for start in self._written if start > self._hashed), default=size_bytes)
            self.add(self._hashed, behind)

    def hexdigest(self, size_bytes: int) -> str:
        """Return the digest of the whole file; no thread may write any more.

        Raises:
            OSError: a piece could not be read back.
        """
        if self._wait() != size_bytes:
            raise AssertionError(f"{self._hashed} of {size_bytes} bytes were hashed")
        return self._sha256.hexdigest()

    def _wait(self) -> int:
        """Wait until nothing is read back; return how many bytes are hashed."""
        if self._reading:
            self._reading.result()
        return self._hashed

    def _advance(self) -> bool:
        """Step behind the piece that was hashed; return whether the next one is there, which must then be hashed."""
        with self._lock:
            self._hashed = self._written.pop(self._hashed)
            self._is_busy = self._hashed in self._written
            return self._is_busy

    def _catch_up(self) -> None:
        goes_on = True
        while goes_on:
            start = self._hashed
            for chunk in read_at(self._handle, self._written[start] - start, start):
                self._sha256.update(chunk)
            goes_on = self._advance()
