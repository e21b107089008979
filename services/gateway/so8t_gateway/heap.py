"""The C library's memory, kept from growing in a service that runs for months."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_TRIM_THRESHOLD, _ARENA_MAX = -1, -8
"""Parameters of mallopt(3)."""
_TRIM_BYTES = 128 << 10


def keep_heap_small() -> None:
    """Have all threads share one heap, and give what is free at its end back to the system. Call it before they start.

    By itself glibc begins a heap for every thread, and gives back less and less: the gaps grew by about a hundred bytes
    with each request. Other C libraries have no such settings.
    """
    with suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_ARENA_MAX, 1)
        mallopt(_TRIM_THRESHOLD, _TRIM_BYTES)


def give_back() -> None:
    """Give the gaps in the heap back to the system: without it they still grow by some bytes with each request."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
