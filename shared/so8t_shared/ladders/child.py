"""A rung's process: `python -m so8t_shared.ladders.child`, with its order as JSON on standard input.

Its progress and its error go to the pipe, one JSON object per line.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import Any

from so8t_shared.documents import Part
from so8t_shared.endings import exit_code_of
from so8t_shared.errors import So8tError
from so8t_shared.ladders.orders import RungOrder
from so8t_shared.privacy import private_files
from so8t_shared.processes import end_with
from so8t_shared.running.service import OPENMP
from so8t_shared.tables.functions import named


class ChildOrder(Part):
    """A command's instructions to a child process."""

    work: str
    """'module:function'; see `rungs.Row.work`."""
    rung: RungOrder
    pipe: int
    """File descriptor for progress and errors."""
    parent: int
    """Id of the parent process; the child ends when it ends."""


def main() -> int:
    """Carry out the order and return the exit code."""
    order = ChildOrder.from_bytes(sys.stdin.buffer.read(), "standard input")
    end_with(order.parent)
    os.set_inheritable(order.pipe, False)  # a grandchild would keep it open
    os.environ.update({name: value for name, value in OPENMP.items() if name not in os.environ})
    with os.fdopen(order.pipe, "w", buffering=1, encoding="utf-8") as pipe, private_files():

        def tell(**fields: Any) -> None:
            with suppress(BrokenPipeError):  # the signal of the parent's end is on its way
                pipe.write(json.dumps(fields) + "\n")

        try:
            named(order.work)(order.rung, lambda done, total, message: tell(done=done, total=total, message=message))
        except Exception as error:  # noqa: BLE001 - the parent raises it again
            tell(**_described(error))
            return exit_code_of(error)
    return 0


def _described(error: Exception) -> dict[str, Any]:
    if isinstance(error, So8tError):
        return {"what": error.what, "where": error.where, "remedy": error.remedy, "code": error.exit_code}
    raise error


if __name__ == "__main__":
    raise SystemExit(main())
