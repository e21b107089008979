"""Who is told what stages do; each row names a function, see functions.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["waiting", "started", "progress", "log", "finished", "reused", "interrupted", "failed"]
"""What an event says of its stage."""

Place = Literal["run", "stage", "child"]
"""The process that listens: a whole run, a stage on its own (as in a container), or a stage that a run started."""


@dataclass(frozen=True)
class Row:
    """One listener."""

    name: str
    open: str
    """(`Scene`) to a `Listener`, or to None where it is not wanted."""
    at: tuple[Place, ...]
    hears: tuple[Kind, ...] = get_args(Kind)
    every_s: float = 0.0
    """Progress comes no closer than this, except the last step."""
    of_session: bool = False
    """Opened once the session is known. It is told what everybody who looks at the session may see later, and not
    what concerns this process alone."""


ROWS: tuple[Row, ...] = (
    Row("display", "so8t_shared.terminal.display:open_display", at=("run", "stage")),
    Row("pipe", "so8t_shared.running.pipe:open_pipe", at=("child",), every_s=0.2),
    Row(
        "progress.json",
        "so8t_shared.running.progress:open_progress_file",
        at=("stage", "child"),
        hears=("waiting", "started", "progress", "finished", "interrupted", "failed"),
        every_s=2.0,
        of_session=True,
    ),
    Row(
        "log.jsonl",
        "so8t_shared.running.logs:open_log_file",
        at=("stage", "child"),
        hears=("started", "log"),
        of_session=True,
    ),
)
