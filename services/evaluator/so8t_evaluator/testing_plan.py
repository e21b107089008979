"""Plans a test from its rows: what it can find, and which clauses of the gate it can decide. No model is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from so8t_evaluator.ending import late
from so8t_evaluator.gate import bound_of
from so8t_evaluator.rows import select
from so8t_evaluator.stats.groups import codes, grouped
from so8t_evaluator.stats.median import fewest_values
from so8t_evaluator.stats.paired import paired_interval, paired_p
from so8t_evaluator.stats.planning import (
    Grouping,
    rows_for_bound,
    rows_for_difference,
    rows_for_margin,
    smallest_difference,
)
from so8t_evaluator.stats.share import share_interval
from so8t_shared import formatting as fmt
from so8t_shared.config.gate import Clause
from so8t_shared.config.model import AbTest
from so8t_shared.labels import LABELS
from so8t_shared.results.plan import Passable, PlannedClause, TestPlan
from so8t_shared.results.training import LabeledRow
from so8t_shared.tables import metrics

ASSUMED_CORRELATION = 0.3
"""Of the answers to rows of one group."""
_ASSUMED_PART = 0.25
"""An absolute bound of 10% is planned for a B with a true rate of 2.5%."""


def plan_rows(rows: Sequence[LabeledRow], settings: AbTest) -> TestPlan:
    """Plan the test on the rows that would be asked, given all test rows."""
    asked = select(rows, settings.max_samples)
    return plan_test([row.label for row in asked], [row.group or row.id for row in asked], settings)


def plan_test(gold: Sequence[str], groups: Sequence[str], settings: AbTest) -> TestPlan:
    """Plan the test on rows with these classes, each in the named group."""
    settings = late(settings) if settings.until_decided else settings
    every = _Rows(np.asarray(gold, dtype=str), codes(groups), settings)
    counted = Counter(gold)
    clauses = [_planned(clause, every.of(metrics.BY_NAME[clause.metric].gold)) for clause in settings.clauses]
    disagreement, alpha, grouping = settings.assumed_disagreement, settings.alpha, every.grouping
    return TestPlan(
        by_label={label: counted[label] for label in LABELS},
        groups=every.group_count,
        disagreement=disagreement,
        correlation=ASSUMED_CORRELATION,
        smallest_difference=smallest_difference(len(gold), disagreement, alpha, grouping),
        minimal_difference=settings.minimal_difference,
        rows_needed=rows_for_difference(settings.minimal_difference, disagreement, alpha, grouping),
        clauses=clauses,
        until_decided=settings.until_decided,
        gate_can_pass=all(c.can_pass != Passable.NO for c in clauses if c.required),
    )


@dataclass(frozen=True)
class _Rows:
    """Rows that a clause counts."""

    gold: NDArray[np.str_]
    codes: NDArray[np.int64]
    settings: AbTest

    def __len__(self) -> int:
        return len(self.gold)

    def of(self, labels: Sequence[str]) -> _Rows:
        chosen = np.isin(self.gold, labels)
        return _Rows(self.gold[chosen], self.codes[chosen], self.settings)

    @property
    def group_count(self) -> int:
        return len(np.unique(self.codes))

    @property
    def too_few(self) -> bool:
        return grouped(self.codes).too_few

    @property
    def grouping(self) -> Grouping:
        """How alike the rows are assumed to be; more rows are assumed to come in groups like these."""
        size = grouped(self.codes).largest_design_effect if len(self) else 1.0
        return Grouping(rows_per_group=size, design_effect=1 + (size - 1) * ASSUMED_CORRELATION)


@dataclass(frozen=True)
class _Part:
    """What depends on the kind of a clause."""

    can_pass: Passable
    reason: str = ""
    rows_needed: int | None = None
    assumed_rate: float | None = None
    finds: float | None = None


def _planned(clause: Clause, rows: _Rows) -> PlannedClause:
    part = _part(clause, rows)
    groups_needed = None
    if part.rows_needed is not None:
        groups_needed = ceil(part.rows_needed * rows.group_count / len(rows)) if len(rows) else part.rows_needed
    return PlannedClause(
        name=clause.name,
        metric=clause.metric,
        bound=bound_of(clause),
        required=clause.required,
        rows=len(rows),
        groups=rows.group_count,
        rows_needed=part.rows_needed,
        groups_needed=groups_needed,
        assumed_rate=part.assumed_rate,
        finds=part.finds,
        can_pass=part.can_pass,
        reason=part.reason,
    )


def _part(clause: Clause, rows: _Rows) -> _Part:
    metric = metrics.BY_NAME[clause.metric]
    if clause.scoring not in {"headline", "all", *rows.settings.scoring}:
        return _Part(Passable.NO, f"{clause.scoring} is not in ab_test.scoring")
    if metric.source == "control":
        off = not rows.settings.control
        return _Part(Passable.NO, "ab_test.control is off") if off else _Part(Passable.YES)
    if metric.source == "speed":
        return _timed(rows.settings)
    if metric.source == "retention":
        off = rows.settings.retention is None
        return _Part(Passable.NO, "ab_test.retention is off") if off else _Part(Passable.UNKNOWN)
    if not len(rows):
        return _Part(Passable.NO, "no test row has such a class", rows_needed=_needed(clause, rows))
    if missing := [label for label in metric.needed if label not in rows.gold]:
        return _Part(
            Passable.NO, f"no test row has the class {' or '.join(missing)}", rows_needed=_needed(clause, rows)
        )
    if rows.too_few:
        few = f"{rows.group_count:,} {fmt.plural(rows.group_count, 'group is', 'groups are')} too few"
        return _Part(Passable.NO, few, rows_needed=_needed(clause, rows))
    if metric.measure:
        return _Part(Passable.UNKNOWN)
    if clause.better:
        return _better(rows)
    return _margin(clause, rows, clause.margin) if clause.margin is not None else _absolute(clause, rows)


def _timed(settings: AbTest) -> _Part:
    fewest = fewest_values(settings.confidence)
    if settings.speed_samples >= fewest:
        return _Part(Passable.UNKNOWN)
    return _Part(Passable.NO, f"ab_test.speed_samples is {settings.speed_samples:,}, {fewest:,} are needed")


def _needed(clause: Clause, rows: _Rows) -> int | None:
    """The rows that a B no better than A needs; None for a metric that is not a share of rows."""
    if metrics.BY_NAME[clause.metric].measure or clause.better:
        return None
    confidence = rows.settings.confidence
    if clause.margin is not None:
        return rows_for_margin(clause.margin, rows.settings.assumed_disagreement, confidence, rows.grouping)
    return rows_for_bound(_bound(clause), _assumed_rate(clause), confidence, rows.grouping)


def _better(rows: _Rows) -> _Part:
    settings = rows.settings
    finds = smallest_difference(len(rows), settings.assumed_disagreement, settings.alpha, rows.grouping)
    all_gained = np.ones(len(rows), np.int8)
    if paired_p(all_gained, rows.codes, settings.test) >= settings.alpha:
        return _Part(Passable.NO, f"{_rows_of(rows)} cannot show any gain")
    return _Part(Passable.IF_BETTER, "an equal B is not better", finds=finds)


def _margin(clause: Clause, rows: _Rows, margin: float) -> _Part:
    needed = _needed(clause, rows)

    def lower_end(each: int) -> float:
        return paired_interval(np.full(len(rows), each, np.int8), rows.codes, rows.settings.confidence).low

    none_lost, all_gained = lower_end(0), lower_end(1)
    if none_lost > -margin:
        return _Part(Passable.YES, rows_needed=needed)
    why = f"even if no row is lost, B may be {100 * -none_lost:.1f} points worse"
    return _Part(Passable.IF_BETTER if all_gained > -margin else Passable.NO, why, rows_needed=needed)


def _absolute(clause: Clause, rows: _Rows) -> _Part:
    best = share_interval(np.full(len(rows), clause.at_most is None), rows.codes, rows.settings.confidence)
    passes = best.high <= _bound(clause) if clause.at_most is not None else best.low >= _bound(clause)
    why = ""
    if not passes and clause.at_most is not None:
        why = f"even 0 of {_rows_of(rows)} leave up to {fmt.percent(best.high)} possible"
    elif not passes:
        why = f"even {len(rows):,} of {_rows_of(rows)} leave {fmt.percent(best.low)} possible"
    return _Part(Passable.YES if passes else Passable.NO, why, _needed(clause, rows), _assumed_rate(clause))


def _bound(clause: Clause) -> float:
    return clause.at_most if clause.at_most is not None else clause.at_least or 0.0


def _assumed_rate(clause: Clause) -> float:
    bound = _bound(clause)
    return _ASSUMED_PART * bound if clause.at_most is not None else 1 - _ASSUMED_PART * (1 - bound)


def _rows_of(rows: _Rows) -> str:
    return f"{len(rows):,} {fmt.plural(len(rows), 'row', 'rows')}"
