"""The count of right answers so far, for those who watch an evaluation; it decides nothing."""

from __future__ import annotations

from collections import defaultdict
from statistics import NormalDist

from so8t_evaluator.stats.score import score_ends
from so8t_shared.labels import INVALID
from so8t_shared.results.answers import Sample
from so8t_shared.results.interval import Interval
from so8t_shared.results.live import Live, LiveCell
from so8t_shared.results.sides import Side
from so8t_shared.running.live import LiveFile
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import Scoring

_Cell = tuple[Side, Quantization, Scoring]


class Tally:
    """Shows the answers so far in the stage's live.json; a row that is asked again counts once."""

    def __init__(self, live: LiveFile, confidence: float) -> None:
        self._live = live
        self._quantile = NormalDist().inv_cdf((1 + confidence) / 2)
        self._answers: dict[_Cell, dict[str, tuple[str, bool, bool]]] = defaultdict(dict)
        """Of each row: its group, and whether the answer is right, and whether it could not be read."""

    def add(self, sample: Sample, rows: int) -> None:
        """Count an answer; each cell will have `rows`."""
        right, unread = sample.predicted == sample.gold, sample.predicted == INVALID
        cell = (sample.model, sample.quantization, sample.scoring)
        self._answers[cell][sample.row_id] = (sample.cluster, right, unread)
        self._live.show(lambda: Live(rows=rows, cells=[self._cell(cell) for cell in self._answers]))

    def _cell(self, cell: _Cell) -> LiveCell:
        model, quantization, scoring = cell
        answers = list(self._answers[cell].values())
        groups = len({group for group, _, _ in answers})
        share = sum(right for _, right, _ in answers) / len(answers)
        low, high = score_ends(share, groups, self._quantile)  # as if a group were a single row: never too narrow
        return LiveCell(
            model=model,
            quantization=quantization,
            scoring=scoring,
            invalid=sum(unread for _, _, unread in answers),
            right=Interval(value=share, low=low, high=high, rows=len(answers), groups=groups),
        )
