"""Which rows a step sees, and at which rate."""

from __future__ import annotations

import random
from collections.abc import MutableSequence
from itertools import chain, pairwise

import pytest
from tests.unit.trainer.material import training

from so8t_trainer.encode import EncodedRow
from so8t_trainer.schedule import rate_factor, step_batches, total_steps

ROWS = [EncodedRow(str(i), tuple(range(3 + i % 5)), (1,)) for i in range(20)]


def _ids(step: int, **values: object) -> list[str]:
    return [row.id for batch in step_batches(ROWS, step, training(**values)) for row in batch]


def test_an_epoch_sees_every_row_once() -> None:
    """Five steps of 2 x 2 rows are one pass over 20 rows; the next pass has another order."""
    epochs = [
        [_ids(step, batch_size=2, gradient_accumulation_steps=2) for step in range(first, first + 5)]
        for first in (0, 5)
    ]
    for epoch in epochs:
        assert sorted(chain.from_iterable(epoch)) == sorted(row.id for row in ROWS)
    assert epochs[0] != epochs[1]


def test_the_order_depends_on_seed_and_step_alone() -> None:
    """So a resumed run goes on with the rows that an uninterrupted one would see."""
    assert _ids(3, seed=1) == _ids(3, seed=1) != _ids(3, seed=2)


def test_an_epoch_is_shuffled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at each of its steps, and again for the next epoch."""
    shuffled = []

    class Counted(random.Random):
        def shuffle(self, x: MutableSequence[object]) -> None:
            shuffled.append(len(x))
            super().shuffle(x)

    monkeypatch.setattr("so8t_trainer.schedule.random.Random", Counted)
    for step in range(10):
        _ids(step, batch_size=2, gradient_accumulation_steps=2, seed=77)
    assert shuffled == [20, 20]


def test_rows_of_similar_length_go_together() -> None:
    """Within a step the passes are sorted by length, each with batch_size rows."""
    batches = step_batches(ROWS, 0, training(batch_size=3, gradient_accumulation_steps=4))
    assert [len(batch) for batch in batches] == [3, 3, 3, 3]
    lengths = [row.length for batch in batches for row in batch]
    assert lengths == sorted(lengths)


def test_a_step_may_need_more_rows_than_there_are() -> None:
    """Then rows repeat, from epoch to epoch."""
    batches = step_batches(ROWS[:3], 0, training(batch_size=7))
    assert sorted(row.id for row in batches[0])[:2] == ["0", "0"]
    assert len(batches[0]) == 7


@pytest.mark.parametrize(("values", "steps"), [({"max_steps": 7}, 7), ({"max_steps": None, "epochs": 1.5}, 10)])
def test_steps_come_from_max_steps_or_epochs(values: dict[str, object], steps: int) -> None:
    """1.5 passes over 20 rows, 3 a step, are 10 steps."""
    assert total_steps(20, training(**values)) == steps


def test_learning_rate_warms_up_and_falls() -> None:
    """Linear and cosine end near 0, constant stays; none starts at 0."""
    for kind, last in (("linear", 1 / 8), ("cosine", 0.0380602), ("constant", 1)):
        factors = [rate_factor(step, 10, training(lr_scheduler=kind, warmup_ratio=0.2)) for step in range(10)]
        assert factors[:3] == pytest.approx([1 / 3, 2 / 3, 1])
        assert factors[-1] == pytest.approx(last)
        assert all(later <= earlier for earlier, later in pairwise(factors[2:]))


def test_a_pass_holds_a_limited_number_of_tokens() -> None:
    """The lengths of its rows add up to the limit at most, a longer row goes alone, and the step has the same rows."""
    lengths = [3, 3, 4, 9, 10, 30]
    rows = [EncodedRow(str(i), tuple(range(length - 1)), (1,)) for i, length in enumerate(lengths)]
    whole = step_batches(rows, 0, training(batch_size=6))
    parts = step_batches(rows, 0, training(batch_size=6, max_tokens_per_pass=20))
    assert [row.id for part in parts for row in part] == [row.id for row in whole[0]]
    assert [[row.length for row in part] for part in parts] == [[3, 3, 4, 9], [10], [30]]
    two = step_batches(rows, 0, training(batch_size=2, gradient_accumulation_steps=3, max_tokens_per_pass=18))
    assert [[row.length for row in part] for part in two] == [[3, 3], [4, 9], [10], [30]]
