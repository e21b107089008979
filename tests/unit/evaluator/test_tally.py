"""The running count of an evaluation."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.reporter.builders import Evaluation, Scenario

from so8t_evaluator.stats.wilson import wilson
from so8t_evaluator.tally import Tally
from so8t_shared.labels import INVALID
from so8t_shared.results.live import Live
from so8t_shared.running.live import LiveFile
from so8t_shared.store.local import LocalStore

SCENARIO = Scenario(quantizations=("q8_0",), scorings=("generate",))


class _Always(LiveFile):
    """Shows every time."""

    def show(self, live: object) -> None:
        self._next = 0.0
        super().show(live)  # type: ignore[arg-type]


@pytest.mark.parametrize("grouped", [False, True])
def test_the_count(tmp_path: Path, grouped: bool) -> None:
    """Right and unread answers of each cell, with Wilson's interval for as many rows as there are groups."""
    samples = Evaluation(SCENARIO).samples()
    samples = [s.model_copy(update={"group": s.row_id[:1] if grouped else ""}) for s in samples]
    tally = Tally(_Always(LocalStore(tmp_path), "sessions/s/evaluate/live.json"), 0.95)
    for sample in samples[:150] + samples[:10]:
        tally.add(sample, 320)
    live = Live.from_bytes(LocalStore(tmp_path).get_bytes("sessions/s/evaluate/live.json") or b"", "live.json")
    assert live.rows == 320
    for cell in live.cells:
        mine = [s for s in samples[:150] if s.model == cell.model]
        right = sum(s.predicted == s.gold for s in mine)
        groups = len({s.cluster for s in mine})
        assert (cell.right.rows, cell.right.groups, cell.right.hits) == (len(mine), groups, right)
        assert cell.invalid == sum(s.predicted == INVALID for s in mine)
        if not grouped:
            expected = wilson(right, len(mine), 0.95)
            assert (cell.right.low, cell.right.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
        else:
            assert cell.right.high - cell.right.low > 0.1
    assert sum(cell.right.rows for cell in live.cells) == 150
