"""Alerts: what a notification can be about, how urgent it is, and how it sounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

AlertName = Literal["stage_done", "stage_failed", "run_done", "gate_refused"]
Mood = Literal["info", "success", "warning", "failure"]
"""As apprise and the services behind it know them."""


@dataclass(frozen=True)
class Row:
    """One kind of alert."""

    name: AlertName
    mood: Mood
    tones: tuple[tuple[float, float], ...]
    """Played one after the other: frequency in Hz, length in s."""
    wanted: bool = True
    """Whether it is sent by default."""


ROWS: tuple[Row, ...] = (
    Row("stage_done", "info", ((880.0, 0.12),), wanted=False),
    Row("stage_failed", "failure", ((330.0, 0.25), (220.0, 0.45))),
    Row("run_done", "success", ((523.25, 0.15), (659.25, 0.15), (783.99, 0.3))),
    Row("gate_refused", "warning", ((587.33, 0.2), (392.0, 0.4))),
)

BY_NAME: dict[str, Row] = {row.name: row for row in ROWS}
assert tuple(BY_NAME) == get_args(AlertName)
