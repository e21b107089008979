"""Work in threads, a bounded number ahead, with the results in the order in which it was given."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Abandoned(Exception):
    """The other work beside this one has failed, so this one need not go on."""


class Wanted:
    """Says to work that is under way whether anyone still wants it."""

    def __init__(self) -> None:
        self._ended = threading.Event()

    def end(self) -> None:
        """Nobody wants it any more."""
        self._ended.set()

    def check(self) -> None:
        """Raise `Abandoned` once nobody wants it."""
        if self._ended.is_set():
            raise Abandoned


def in_order(tasks: Iterable[Callable[[], T]], workers: int, wanted: Wanted) -> Iterator[T]:
    """Results of `tasks`, run by `workers` threads; one task more than those is taken ahead.

    The first task that raises ends it all: the rest is dropped, those under way see that `wanted` ended.
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
