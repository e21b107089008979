"""live.json: written now and then, and never at the work's expense."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.reporter.builders_upstream import training_points

from so8t_shared.errors import ServerError
from so8t_shared.results.live import MOST_POINTS, Live, live_point, thinned
from so8t_shared.running.live import AFTER_FAILURE_S, EVERY_S, LiveFile
from so8t_shared.store.local import LocalStore
from so8t_shared.store.testing.faulty import Fault, FaultyStore

KEY = "sessions/s/train/live.json"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_now_and_then(tmp_path: Path) -> None:
    """The first figures are written at once, later ones at most every few seconds."""
    store, clock = FaultyStore(LocalStore(tmp_path)), Clock()
    live = LiveFile(store, KEY, clock)
    for step in range(40):
        clock.now = 100.0 + step / 4
        live.show(lambda step=step: Live(steps=step))
    assert len(store.keys("put_bytes")) == 2
    assert json.loads(store.get_bytes(KEY) or b"")["steps"] == EVERY_S * 4


def test_while_the_store_is_away(tmp_path: Path) -> None:
    """A write that fails harms nothing, and the next one waits for a minute."""
    away = ServerError("The server is away.", where="there", remedy="start it")
    store, clock = FaultyStore(LocalStore(tmp_path), [Fault("put_bytes", away, times=1)]), Clock()
    live = LiveFile(store, KEY, clock)
    live.show(Live)
    clock.now += AFTER_FAILURE_S - 1
    live.show(Live)
    assert (len(store.keys("put_bytes")), store.get_bytes(KEY)) == (1, None)
    clock.now += 1
    live.show(Live)
    assert store.get_bytes(KEY)


def test_long_trainings_are_thinned() -> None:
    """Of many steps evenly spaced ones are left, with the last one and every validation."""
    points = [live_point(point) for point in training_points(3000)]
    left = thinned(points)
    assert len(left) <= MOST_POINTS + 11
    assert left[-1] == points[-1]
    assert [p for p in left if p.validation_loss is not None] == [p for p in points if p.validation_loss is not None]
    assert thinned(points[:50]) == points[:50]
    assert thinned([]) == []
