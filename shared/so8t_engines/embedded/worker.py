"""`python -m so8t_engines.embedded.worker READ_FD WRITE_FD PARENT_PID`: llama.cpp with one model.

Receives {"load": {...}} once, then any number of {"complete": {...}}, {"score": {...}}, {"measure": {...}},
{"follow": {...}} and {"hear": {...}}. Each is answered by one line: {"ok": {...}}, {"too_long": tokens} or
{"error": text}. Exits when the parent closes the pipe or dies. It uses inherited pipes because llama.cpp writes to
stdout and stderr.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, NoReturn

from so8t_engines.embedded.llama import Llama, TooLongError
from so8t_shared.json_files import Channel
from so8t_shared.processes import end_with


def main(reading_fd: int, writing_fd: int, parent: int) -> NoReturn:
    """Serve one parent, then exit without running llama.cpp's destructors, which can hang."""
    for number in (signal.SIGINT, signal.SIGTERM):  # Ctrl-C reaches the whole process group; the parent handles it
        signal.signal(number, signal.SIG_IGN)
    end_with(parent, at_once=True)
    channel = Channel.on(reading_fd, writing_fd)
    try:
        _serve(channel)
    except BrokenPipeError:
        os._exit(1)
    os._exit(0)


def _serve(channel: Channel) -> None:
    model: Llama | None = None
    while (message := channel.receive()) is not None:
        try:
            if "load" in message:
                model = Llama(**message["load"])
                answer: dict[str, Any] = {"ok": model.settings()}
            elif model is not None and "score" in message:
                answer = {"ok": model.score(**message["score"])}
            elif model is not None and "measure" in message:
                answer = {"ok": model.measure(**message["measure"])}
            elif model is not None and "follow" in message:
                answer = {"ok": model.follow(**message["follow"])}
            elif model is not None and "hear" in message:
                answer = {"ok": model.hear(**message["hear"])}
            elif model is not None:
                answer = {"ok": model.complete(**message["complete"])}
            else:
                answer = {"error": "no model is loaded"}
        except TooLongError as error:
            answer = {"too_long": error.tokens}
        except Exception as error:  # noqa: BLE001 - report every error to the parent
            answer = {"error": f"{type(error).__name__}: {error}"}
        channel.send(answer)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
