"""Tells whether other work on this machine disturbs a measurement, by timing a little work of fixed size."""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor

from so8t_engines.protocol import Engine
from so8t_shared.host import host_name
from so8t_shared.processor import usable_cores

_BLOCK = bytes(1 << 20)
_BLOCKS = 8
"""Hashed by each thread: some ten milliseconds, long enough that a busy scheduler takes the core away meanwhile."""

_SLOW = 1.5
"""Times the fastest that the work has been done."""


class ControlLoad:
    """Work of fixed size on as many threads as the engine's."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._least_s = min(self._work() for _ in range(3))

    @classmethod
    def beside(cls, engine: Engine) -> ControlLoad | None:
        """Return the load for an engine; None if it runs on another machine, whose load cannot be seen from here."""
        if engine.host != host_name():
            return None
        threads = engine.speed_settings.get("threads")
        return cls(threads if isinstance(threads, int) else usable_cores())

    def is_disturbed(self) -> bool:
        """Do the work once; return whether it took clearly longer than undisturbed."""
        started = time.perf_counter()
        with ThreadPoolExecutor(self._threads) as pool:
            spent = list(pool.map(lambda _: self._work(), range(self._threads)))
        taken_s = time.perf_counter() - started
        self._least_s = min(self._least_s, *spent)
        return taken_s > _SLOW * self._least_s

    @staticmethod
    def _work() -> float:
        """Return the processor time of the work, which waiting for a core does not prolong."""
        started = time.thread_time()
        digest = hashlib.sha256()
        for _ in range(_BLOCKS):
            digest.update(_BLOCK)
        return time.thread_time() - started
