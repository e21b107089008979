"""A stage as the child of a run: `python -m so8t_shared.running.child`, with its order as JSON on standard input.

What it should do was decided by the run, once; nothing is read again that somebody may have changed meanwhile.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from so8t_shared.config.model import Config
from so8t_shared.documents import Part
from so8t_shared.endings import exit_code_of, text_of
from so8t_shared.processes import end_with
from so8t_shared.running.events import Listeners, Scene
from so8t_shared.running.service import serve
from so8t_shared.stages import stage_named


class Order(Part):
    """What a run wants of a child."""

    stage: str
    work: str
    """'module:function', see `Stage.work`."""
    config: Config
    session: str
    pipe: int
    """File descriptor for events."""
    parent: int
    """Id of the process whose end ends this one, too."""


def main() -> int:
    """Carry out the order; its exit code."""
    order = Order.from_bytes(sys.stdin.buffer.read(), "standard input")
    end_with(order.parent)
    stage = replace(stage_named(order.stage), work=order.work)
    try:
        with Listeners("child").open(Scene([stage], pipe=order.pipe)) as listeners:
            serve(stage, lambda: order.config, order.session, listeners)
    except Exception as error:  # noqa: BLE001 - the last line: everything else is a defect and says so
        print(text_of(error), file=sys.stderr, flush=True)
        return exit_code_of(error)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
