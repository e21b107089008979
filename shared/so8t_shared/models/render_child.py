"""The child that renders templates for `rendering.Renderer`: one request per line, until its parent ends.

A request has several conversations; each is answered by a line of its own, up to the first error.

`python -m so8t_shared.models.render_child PARENT`; the first line has the limits.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import Any

from so8t_shared.json_files import Channel
from so8t_shared.models.prompts import render_here
from so8t_shared.processes import end_with, limit_memory, limit_processor_time

_SHOWN = 500
"""Most characters of an error that are shown: a template chooses them."""


def main(parent: int) -> None:
    """Answer requests until the pipe closes."""
    end_with(parent, at_once=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the whole group; the parent decides
    channel = Channel.on(os.dup(sys.stdin.fileno()), os.dup(sys.stdout.fileno()))
    limits = channel.receive() or {}
    limit_memory(limits["memory_bytes"])
    while (request := channel.receive()) is not None:
        for messages in request["conversations"]:
            limit_processor_time(limits["cpu_s"])
            answer = _answer(request["template"], messages, request["given"], limits["letters"])
            with suppress(BrokenPipeError):
                channel.send(answer)
            if "error" in answer:
                break


def _answer(template: str, messages: list[dict[str, str]], given: dict[str, Any], letters: int) -> dict[str, str]:
    try:
        text = render_here(template, messages, given)
    except MemoryError:
        return {"error": "it needs too much memory"}
    except Exception as error:  # noqa: BLE001 - a foreign program's: it can raise anything
        return {"error": str(error)[:_SHOWN]}
    return {"text": text} if len(text) <= letters else {"error": f"it makes a text of {len(text):,} characters"}


if __name__ == "__main__":
    main(int(sys.argv[1]))
