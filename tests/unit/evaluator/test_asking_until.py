"""Asking until everything is decided: the order, where it ends, and that a kill or another host changes neither."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from tests.unit.evaluator.asked import make_pair
from tests.unit.evaluator.material import Killed, ScriptedEngine, make_row

from so8t_evaluator.asking import CHUNK_ROWS
from so8t_evaluator.asking_until import Until, ask_until, ask_until_apart, in_random_order
from so8t_shared.artifacts.segment_cache import SegmentCache
from so8t_shared.labels import LABELS
from so8t_shared.results.answers import Sample
from so8t_shared.tables.scorings import Scoring

ROWS = [make_row(f"row {i}", LABELS[i % 4], group="" if i < 30 else f"template {i // 3}") for i in range(90)]
SCORINGS: list[Scoring] = ["constrained", "generate"]


def _answer(model: str, prompt: str) -> str:
    """B is right on more rows than A; every answer is a function of model and prompt."""
    gold = next(row.label for row in ROWS if f"{row.text}\n" in f"{prompt}\n" or row.text in prompt.splitlines())
    lucky = random.Random(f"{model} {prompt}").random() < (0.9 if model == "b" else 0.3)
    return f"<final>{gold if lucky else 'ALLOW'}</final>"


class Lead:
    """Ends once B is right on so many rows more than A; notes at how many samples it was asked."""

    def __init__(self, lead: int) -> None:
        self.lead, self.looks = lead, list[int]()

    def __call__(self, samples: Sequence[Sample]) -> list[str] | None:
        self.looks.append(len(samples))
        right = {side: sum(s.model == side and s.predicted == s.gold for s in samples) for side in ("a", "b")}
        return [] if right["b"] - right["a"] >= self.lead else None


def _until(lead: int = 25) -> Until:
    return Until(in_random_order(ROWS, 7), Lead(lead), timed_rows=5)


def _kept(samples: Sequence[Sample]) -> dict[tuple[str, str], list[tuple[str, str]]]:
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for s in samples:
        found.setdefault((s.model, s.scoring), []).append((s.row_id, s.predicted))
    return found


def test_the_order_depends_on_rows_and_seed_alone() -> None:
    """Not on the order in which rows come; whole groups stay together, and another seed gives another order."""
    found = in_random_order(ROWS, 7)
    shuffled = random.Random(1).sample(ROWS, len(ROWS))
    assert [group[0].group or group[0].id for group in in_random_order(shuffled, 7)] == [
        group[0].group or group[0].id for group in found
    ]
    assert sorted(len(group) for group in found) == [1] * 30 + [3] * 20
    assert [g[0].id for g in in_random_order(ROWS, 8)] != [g[0].id for g in found]


def test_batches_are_whole_groups() -> None:
    """At least a chunk of rows each, and the first has the rows on which speed is measured."""
    until = Until(in_random_order(ROWS, 7), Lead(1), timed_rows=20)
    sizes = [len(batch) for batch in until.batches]
    assert sizes[0] in range(20, 23)
    assert all(size in range(CHUNK_ROWS, CHUNK_ROWS + 3) for size in sizes[1:-1])
    assert [row for batch in until.batches for row in batch] == until.rows
    assert all(one[-1].group != other[0].group or not one[-1].group for one, other in pairwise(until.batches))


def test_ends_after_the_batch_that_decides(cache: SegmentCache) -> None:
    """Both models were asked the same first rows, in order, each once."""
    engine, until = ScriptedEngine(_answer), _until()
    samples, stopped = ask_until(make_pair(engine, cache), until, SCORINGS, lambda sample: None)
    assert stopped.decided
    assert (stopped.available, stopped.available_groups, stopped.largest_group) == (90, 50, 3)
    assert 0 < stopped.rows < 90
    order = [row.id for row in until.rows[: stopped.rows]]
    assert {key: [row for row, _ in rows] for key, rows in _kept(samples).items()} == {
        (side, scoring): order for side in "ab" for scoring in SCORINGS
    }
    assert len(engine.asked) == len(samples)
    assert engine.open == []


def test_no_look_after_the_last_row(cache: SegmentCache) -> None:
    """Then the usual test has its own level, so the looks must not decide."""
    until = _until(lead=10**6)
    _, stopped = ask_until(make_pair(ScriptedEngine(_answer), cache), until, SCORINGS, lambda sample: None)
    assert (stopped.decided, stopped.rows) == (False, 90)
    assert isinstance(until.decided, Lead)
    assert len(until.decided.looks) == len(until.batches) - 1


@pytest.mark.parametrize("after", [3, 41, 77])
def test_a_killed_asking_ends_at_the_same_row(cache: SegmentCache, after: int) -> None:
    """Answers that are known already change neither the order nor the end, and none is asked twice."""
    dying = ScriptedEngine(_answer, dies_after=after)
    with pytest.raises(Killed):
        ask_until(make_pair(dying, cache), _until(), SCORINGS, lambda sample: None)
    engine = ScriptedEngine(_answer)
    samples, stopped = ask_until(make_pair(engine, cache), _until(), SCORINGS, lambda sample: None)
    again, same = ask_until(make_pair(ScriptedEngine(_answer), cache), _until(), SCORINGS, lambda sample: None)
    assert (stopped, _kept(samples)) == (same, _kept(again))
    assert len(engine.asked) <= len(samples) - after + 1


def test_one_after_the_other_ends_at_the_same_row(cache: SegmentCache) -> None:
    """Where both do not fit in memory, A's further answers do not count."""
    samples, stopped = ask_until(make_pair(ScriptedEngine(_answer), cache), _until(), SCORINGS, lambda sample: None)
    small = ScriptedEngine(_answer, room_for=1)
    a, b = make_pair(small, cache, salt="apart")
    apart, same = ask_until_apart(a, b, _until(), SCORINGS, lambda sample: None)
    assert (stopped, _kept(samples)) == (same, _kept(apart))
    asked = [model for model, *_ in small.asked]
    assert (asked.count("a"), asked.count("b")) == (2 * 90, 2 * stopped.rows)
