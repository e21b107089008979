"""The garbage collector, kept from looking for cycles where there are none."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector() -> Iterator[None]:
    """Switch it off, if it is on: with 100,000 records in memory, looking for cycles takes longer than all else."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def leave_alone() -> None:
    """Let the collector skip all that is in memory now, for the rest of a process that needs it to its end."""
    gc.freeze()
