"""`python -m so8t_evaluator.engine.worker READ_FD WRITE_FD PARENT_PID`: llama.cpp with one model.

Receives {"load": {...}} once, then {"complete": {...}} as often as wished, each answered by one line:
{"ok": {...}}, {"too_long": tokens} or {"error": text}. Ends when the parent closes the pipe or dies.
It talks over inherited pipes because llama.cpp writes to stdout and stderr as it pleases.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Any, NoReturn

from so8t_evaluator.engine.channel import Channel
from so8t_evaluator.engine.llama import Llama, TooLongError

_PR_SET_PDEATHSIG = 1


def main(reading_fd: int, writing_fd: int, parent: int) -> NoReturn:
    """Serve one parent, then end without the destructors of llama.cpp, which can hang."""
    _end_with(parent)
    channel = Channel.on(reading_fd, writing_fd)
    try:
        _serve(channel)
    except BrokenPipeError:
        os._exit(1)
    os._exit(0)


def _end_with(parent: int) -> None:
    """Die with the parent; a signal for the whole group (Ctrl-C) is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel was asked
        os._exit(1)


def _serve(channel: Channel) -> None:
    model: Llama | None = None
    while (message := channel.receive()) is not None:
        try:
            if "load" in message:
                model = Llama(**message["load"])
                answer: dict[str, Any] = {"ok": model.settings()}
            elif model is not None:
                answer = {"ok": model.complete(**message["complete"])}
            else:
                answer = {"error": "no model is loaded"}
        except TooLongError as error:
            answer = {"too_long": error.tokens}
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
            answer = {"error": f"{type(error).__name__}: {error}"}
        channel.send(answer)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
