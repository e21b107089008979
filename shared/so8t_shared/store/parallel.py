"""Run tasks in threads, a bounded number ahead, and yield their results in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Abandoned(Exception):
    """Parallel work has failed, so this task can stop."""


class Wanted:
    """Tells running tasks whether their results are still wanted."""

    def __init__(self) -> None:
        self._ended = threading.Event()

    def end(self) -> None:
        """Declare the results unwanted."""
        self._ended.set()

    def check(self) -> None:
        """Raise `Abandoned` if the results are no longer wanted."""
        if self._ended.is_set():
            raise Abandoned


def in_order(tasks: Iterable[Callable[[], T]], workers: int, wanted: Wanted) -> Iterator[T]:
    """Results of `tasks`, run by `workers` threads with one more task queued.

    The first exception ends everything: queued tasks are canceled, and running ones see that `wanted` has ended.
    """
    pending: deque[Future[T]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="transfer") as pool:
        try:
            for task in tasks:
                pending.append(pool.submit(task))
                if len(pending) > workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            if pending:
                wanted.end()
            for future in pending:
                future.cancel()
