"""The course of training for those who watch it."""

from __future__ import annotations

from so8t_shared.results.live import Live, LivePoint, live_point, thinned
from so8t_shared.results.training import TrainingPoint
from so8t_shared.running.live import LiveFile


class Followed:
    """Shows the steps so far in the stage's live.json."""

    def __init__(self, live: LiveFile) -> None:
        self._live = live
        self._points: list[LivePoint] = []

    def add(self, point: TrainingPoint, steps: int, memory_bytes: int) -> None:
        """Add a step of `steps`, and what training holds in memory after it."""
        self._points.append(live_point(point, memory_bytes))
        self._live.show(lambda: Live(steps=steps, points=thinned(self._points)))
