"""Listeners to stage events; each row names a function, see functions.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["waiting", "started", "progress", "log", "finished", "reused", "interrupted", "failed"]
"""Kind of event."""

Place = Literal["run", "stage", "child"]
"""The listening process: a whole run, a single stage (as in a container), or a stage started by a run."""


@dataclass(frozen=True)
class Row:
    """One listener."""

    name: str
    open: str
    """Takes a `Scene`, returns a `Listener`, or None if it is not wanted."""
    at: tuple[Place, ...]
    hears: tuple[Kind, ...] = get_args(Kind)
    every_s: float = 0.0
    """Minimum interval between progress events, except for the last step."""
    of_session: bool = False
    """Opened once the session is known. Receives events for all readers of the session, but not events that concern
    only this process."""


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
    Row(
        "notify",
        "so8t_shared.notify.listener:open_notifier",
        at=("run", "stage"),
        hears=("started", "finished", "reused", "failed"),
        of_session=True,
    ),
)
