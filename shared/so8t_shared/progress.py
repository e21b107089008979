"""How long work tells where it is, and can be ended."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Told how many of how many steps are done, and what goes on; it may raise to end the work."""


def no_progress(done: int, total: int, message: str) -> None:
    """Say nothing."""
