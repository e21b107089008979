"""A stage as the child of a run: `python -m so8t_shared.running.child`, with its order as JSON on standard input.

The run decides once what to do; the child does not read the configuration again, which may have changed since.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import replace

from so8t_shared.artifacts.fingerprints import Key
from so8t_shared.config.model import Config
from so8t_shared.documents import Part
from so8t_shared.endings import exit_code_of, text_of
from so8t_shared.processes import end_with
from so8t_shared.running.events import Listeners, Scene
from so8t_shared.running.service import serve
from so8t_shared.stages import stage_named


class Order(Part):
    """A run's instructions to a child process."""

    stage: str
    work: str
    """'module:function'; see `Stage.work`."""
    config: Config
    session: str
    key: Key
    """The stage's key, computed when the run decided to start it."""
    pipe: int
    """File descriptor for events."""
    parent: int
    """Id of the parent process; the child ends when it ends."""


def main() -> int:
    """Carry out the order and return the exit code."""
    order = Order.from_bytes(sys.stdin.buffer.read(), "standard input")
    end_with(order.parent)
    stage = replace(stage_named(order.stage), work=order.work)
    try:
        with Listeners("child").open(Scene([stage], pipe=order.pipe)) as listeners:
            serve(stage, lambda: order.config, order.session, listeners, key=order.key)
    except Exception as error:  # noqa: BLE001 - the last resort: anything but a So8tError is a bug and is reported as one
        with suppress(OSError):  # its file may lie on a full disk; the exit code tells at least the kind
            print(text_of(error), file=sys.stderr, flush=True)
        return exit_code_of(error)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
