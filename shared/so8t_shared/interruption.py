"""Stopping on a signal: the stage is notified and ends at its next safe point."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

from so8t_shared.errors import Interrupted


class StopSignal:
    """Set by SIGTERM or SIGINT; a second signal ends the process at once."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def is_set(self) -> bool:
        """Whether a stop was requested."""
        return self._event.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Sleep, but wake up on a stop request; return whether there is one."""
        return self._event.wait(timeout_s)

    def ask(self) -> None:
        """Request a stop, as a signal does."""
        self._event.set()

    def install(self) -> None:
        """Handle SIGTERM and SIGINT; call from the main thread."""
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
        if self._event.is_set():
            os._exit(128 + number)
        self.ask()
