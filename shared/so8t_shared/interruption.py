"""Stopping on a signal: the stage is notified and ends at its next safe point."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from types import FrameType

from so8t_shared.errors import Interrupted

_installed: StopSignal | None = None


def stop_of_process() -> StopSignal:
    """Return what handles this process's signals; one that is never asked if nothing does."""
    return _installed or StopSignal()


def take_back_signals() -> None:
    """Handle this process's signals again after a library has put its own handlers in place."""
    if _installed is not None:
        _installed.install()


class StopSignal:
    """Set by SIGTERM or SIGINT; a second signal ends the process at once.

    A SimpleQueue wakes those who wait, because its `put` may interrupt its `get`. An Event would not do: `set`, called
    by a signal handler while the same thread is inside `wait`, blocks forever.
    """

    def __init__(self) -> None:
        self._asked = False
        self._wakes: SimpleQueue[None] = SimpleQueue()
        self._actions: list[Callable[[], object]] = []

    @property
    def is_set(self) -> bool:
        """Whether a stop was requested."""
        return self._asked

    def wait(self, timeout_s: float) -> bool:
        """Sleep, but wake up on a stop request; return whether there is one."""
        with suppress(Empty):
            self._wakes.get(timeout=max(0.0, timeout_s))
            self._wakes.put(None)  # for the next one who waits
        return self._asked

    def ask(self) -> None:
        """Request a stop, as a signal does."""
        self._asked = True
        self._wakes.put(None)
        for action in list(self._actions):
            action()

    @contextmanager
    def doing(self, action: Callable[[], object]) -> Iterator[None]:
        """Call `action` if a stop is requested within the block, maybe from a signal handler: it must not block."""
        self._actions.append(action)
        try:
            yield
        finally:
            self._actions.remove(action)

    def install(self) -> None:
        """Handle SIGTERM and SIGINT; call from the main thread."""
        global _installed
        _installed = self
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    def check(self, also: Callable[[], bool] = lambda: False) -> None:
        """Raise if a stop was requested.

        Raises:
            Interrupted: a signal came, or `also` returned True.
        """
        if self.is_set or also():
            raise Interrupted(
                "Stopped by a signal; the work so far is saved.", remedy="run the same command again to resume"
            )

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._asked:
            os._exit(128 + number)
        self.ask()
