"""Asks groups of rows in a random order, until everything is decided or no row is left.

The order depends on the rows and on `ab_test.seed` alone. Whether to go on is asked after each batch of whole groups,
of all answers so far: an asking that was killed, or that finds the answers of another one, ends at the same row.
A change of this rule changes what evaluate writes, so it raises that stage's version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain

from so8t_evaluator.asking import CHUNK_ROWS, AskedSample, Respondent, ask_all, ask_in_turns, time_all, timed_scoring
from so8t_evaluator.rows import apart
from so8t_shared.results.answers import Sample
from so8t_shared.results.stopped import Stopped
from so8t_shared.results.training import LabeledRow
from so8t_shared.tables.scorings import Scoring

Decided = Callable[[Sequence[Sample]], "list[str] | None"]
"""Whether the answers so far, to whole groups, decide everything; each model's answers in a setting are in row order.

None if they do not; else the names of the required clauses that have not failed, but can no longer pass.
"""

Ended = tuple[list[Sample], Stopped]
"""The answers that count, and where the asking ended."""


@dataclass(frozen=True)
class Until:
    """The order of asking, and what ends it."""

    groups: list[list[LabeledRow]]
    """Rows of one template, or near duplicates, in the order of asking."""
    decided: Decided
    timed_rows: int = 0
    """Rows from the beginning that are asked whatever they show, since speed is measured on them."""

    @property
    def rows(self) -> list[LabeledRow]:
        """All rows in the order of asking."""
        return list(chain.from_iterable(self.groups))

    @property
    def batches(self) -> list[list[LabeledRow]]:
        """Whole groups with at least a chunk of rows together."""
        found: list[list[LabeledRow]] = [[]]
        for group in self.groups:
            if len(found[-1]) >= (CHUNK_ROWS if len(found) > 1 else max(CHUNK_ROWS, self.timed_rows)):
                found.append([])
            found[-1] += group
        return found

    def ask(self, batch: Callable[[int, list[LabeledRow]], list[Sample]]) -> Ended:
        """Take the answers to batch after batch, each with its number, until everything is decided."""
        samples, asked, found = list[Sample](), list[LabeledRow](), None
        for number, rows in enumerate(self.batches):
            if number and (found := self.decided(samples)) is not None:
                break
            samples += batch(number, rows)
            asked += rows
        return samples, stopped_after(self.groups, asked, found)

    def ended_at(self, samples: Sequence[Sample]) -> Stopped:
        """Return where an asking ended, given its answers in the order of asking."""
        by_row: dict[str, list[Sample]] = {}
        for sample in samples:
            by_row.setdefault(sample.row_id, []).append(sample)
        return self.ask(lambda _, rows: [sample for row in rows for sample in by_row.get(row.id, ())])[1]


def in_random_order(rows: Sequence[LabeledRow], seed: int) -> list[list[LabeledRow]]:
    """Return the groups of rows in an order that only their names and the seed determine."""
    groups: dict[str, list[LabeledRow]] = {}
    for row in rows:
        groups.setdefault(row.group or row.id, []).append(row)
    return [groups[name] for name in sorted(groups, key=lambda name: _place(name, seed))]


def _place(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()


def stopped_after(
    groups: Sequence[Sequence[LabeledRow]], asked: Sequence[LabeledRow], cannot_pass: list[str] | None
) -> Stopped:
    """Describe an asking that ended after these rows of the groups; `cannot_pass` is what `Decided` returned last."""
    sizes = [len(group) for group in groups]
    return Stopped(
        decided=cannot_pass is not None,
        rows=len(asked),
        available=sum(sizes),
        groups=len({row.group or row.id for row in asked}),
        available_groups=len(groups),
        largest_group=max(sizes),
        cannot_pass=cannot_pass or [],
    )


def ask_until(respondents: list[Respondent], until: Until, scorings: list[Scoring], on_sample: AskedSample) -> Ended:
    """Ask as `ask_all` until everything is decided; the respondents take turns and alternate who goes first."""
    with ExitStack() as stack:
        for respondent in respondents:
            stack.callback(respondent.close)  # close all, even if closing one fails
        time_all(respondents, apart(until.rows[: until.timed_rows]), timed_scoring(scorings))
        return until.ask(
            lambda number, batch: ask_in_turns(respondents[:: -1 if number % 2 else 1], batch, scorings, on_sample)
        )


def ask_until_apart(
    first: Respondent, second: Respondent, until: Until, scorings: list[Scoring], on_sample: AskedSample
) -> Ended:
    """The same for two models that do not fit in memory together: the first is asked every row before the second.

    The second ends at the row at which both would have ended, and the first one's answers beyond it do not count.
    """
    known = ask_all([first], until.rows, scorings, on_sample, timed_rows=until.timed_rows)
    beside = replace(until, decided=lambda samples: until.decided([*_to_the_same(known, samples), *samples]))
    samples, stopped = ask_until([second], beside, scorings, on_sample)
    return [*_to_the_same(known, samples), *samples], stopped


def _to_the_same(known: list[Sample], samples: Sequence[Sample]) -> list[Sample]:
    rows = {sample.row_id for sample in samples}
    return [sample for sample in known if sample.row_id in rows]
