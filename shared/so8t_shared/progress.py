"""Callback for the progress and cancellation of long work."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called with the steps done, the total, and the current activity; may raise to end the work."""


def no_progress(done: int, total: int, message: str) -> None:
    """Report nothing."""
