"""The processes of the store's test kit, and what our tests alone do with theirs."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any, NoReturn

from so8t_shared.store.testing.processes import end_all, exit_code, kill, race, running, start

__all__ = ["end_all", "exit_code", "kill", "kill_self", "race", "running", "start", "until"]

_PATIENCE_S = 60.0


def kill_self(*_: object) -> NoReturn:
    """End this process as `kill -9` does, in the middle of whatever it does; also as what a `Fault` does."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def until(condition: Callable[[], Any], what: str) -> None:
    """Wait until a condition holds; fails the test when it never does."""
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.005)
