"""The sha256 of a checkpoint's files from what a pass reads of them anyway, so that no byte is read twice."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from so8t_converter.plan import Bytes, Source, Stored
from so8t_converter.running_digest import RunningDigest


class Reading:
    """Hashes files that several threads read in any order; what nobody reads of them is read at the end."""

    def __init__(self, handles: Mapping[Path, int], starts: Mapping[Path, int], pool: ThreadPoolExecutor) -> None:
        self._files = {
            path: (RunningDigest(handle, pool), os.fstat(handle).st_size) for path, handle in handles.items()
        }
        for path, start in starts.items():
            self._files[path][0].add(0, start)  # else nothing behind the header could be hashed before the end

    def add(self, source: Source, start: int, data: Bytes) -> None:
        """Note that the bytes of a tensor at this offset in it were read; a computed tensor's are in no file."""
        if isinstance(source, Stored) and source.path in self._files:
            digest, _ = self._files[source.path]
            digest.add(source.offset + start, source.offset + start + data.size, data)

    def digests(self) -> dict[Path, str]:
        """Read the rest; return each file's sha256. No thread may add any more.

        Raises:
            OSError: a file cannot be read.
        """
        for digest, size_bytes in self._files.values():
            digest.fill(size_bytes)
        return {path: digest.hexdigest(size_bytes) for path, (digest, size_bytes) in self._files.items()}


@contextmanager
def reading(starts: Mapping[Path, int]) -> Iterator[Reading]:
    """Open files until the end of the block; `starts` says where the first tensor of each begins.

    Raises:
        OSError: a file cannot be opened.
    """
    handles: dict[Path, int] = {}
    pool = ThreadPoolExecutor(1)
    try:
        for path in starts:
            handles[path] = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        yield Reading(handles, starts, pool)
    finally:
        pool.shutdown(cancel_futures=True)
        for handle in handles.values():
            os.close(handle)
