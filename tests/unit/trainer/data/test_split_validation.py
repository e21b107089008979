"""Validation rows are kept back from the training groups."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from tests.unit.trainer.data.rows_to_split import distinct_rows, marked_as, row_of, sentence, settings_of, texts_of

from so8t_shared.config.model import Dataset
from so8t_shared.labels import LABELS
from so8t_trainer.data.rows import Row
from so8t_trainer.data.split import Split, expected_test, split_rows


def test_validation_rows_are_a_share_of_the_training_groups() -> None:
    """A tenth by default, of every class, on no other side; the test rows do not depend on it."""
    rows = [replace(row, group=f"g{i // 2}") for i, row in enumerate(distinct_rows(50))]
    splits = {share: split_rows(rows, Dataset(paths=["x"], validation_fraction=share)) for share in (0.1, 0.3, 0.0)}
    tenth, third, off = splits.values()
    assert Counter(row.label for row in tenth.validation) == dict.fromkeys(LABELS, 4)
    assert len(third.validation) > 2 * len(tenth.validation)
    assert off.validation == []
    assert off.notes == []
    assert len({tuple(texts_of(split.test)) for split in splits.values()}) == 1
    for split in (tenth, third):
        groups = [{row.group for row in side} for side in (split.train, split.validation, split.test)]
        assert sum(map(len, groups)) == len(set.union(*groups)) == 100
        assert {row.cluster for row in split.validation if row.cluster}
    assert texts_of(split_rows(rows, Dataset(paths=["x"])).validation) == texts_of(tenth.validation)


def test_rows_marked_train_may_become_validation_rows() -> None:
    """They were to be learned from, and that is what validation does; rows marked test never do."""
    rows = [marked_as(row, "test" if i < 40 else "train") for i, row in enumerate(distinct_rows(50))]
    split = split_rows(rows, Dataset(paths=["x"]))
    assert texts_of(split.test) == texts_of(rows[:40])
    assert len(split.validation) == 16


@pytest.mark.parametrize(("per_label", "validates"), [(10, False), (30, True)])
def test_too_few_groups_give_no_validation(per_label: int, validates: bool) -> None:
    """Then all rows are trained on, and a note says so."""
    split = split_rows(distinct_rows(per_label), Dataset(paths=["x"]))
    assert bool(split.validation) == validates
    assert bool(split.notes) != validates
    assert validates or len(split.train) + len(split.test) == 4 * per_label


def _validated(rows: list[Row], fraction: float = 0.25, tests: list[Row] | None = None) -> Split:
    return split_rows(rows, Dataset(paths=["x"], split_seed=1, validation_fraction=fraction), tests)


def test_the_authors_validation_rows_are_kept_but_leaks_are_removed() -> None:
    """A training row that resembles one goes, and so does a validation row that resembles a test row."""
    test = [row_of(sentence(i), LABELS[i % 4], f"t{i}", "test") for i in range(4)]
    held = [row_of(sentence(50 + i), LABELS[i % 4], f"v{i}", "validation") for i in range(4)]
    train = [row_of(sentence(100 + i), LABELS[i % 4], f"r{i}", "train") for i in range(8)]
    leaks = [
        row_of(held[0].text + " now", "ALLOW", None, "train"),
        row_of("entirely different", "ALLOW", "v2", "train"),
        row_of(test[1].text + " now", "DENY", None, "validation"),
    ]
    split = _validated([*leaks, *train, *test, *held])
    assert (split.train, split.validation, split.test) == (train, held, test)
    assert split.excluded == {
        "near duplicate of a validation row": 1,
        "group of a validation row": 1,
        "near duplicate of a test row": 1,
    }


def test_validation_rows_alone_leave_the_test_to_be_held_out() -> None:
    """A set of train and validation files has a test as well, and none of its validation rows."""
    rows = [marked_as(row, "validation") if i % 5 == 0 else row for i, row in enumerate(distinct_rows(20))]
    split = _validated(rows)
    assert texts_of(split.validation) == texts_of(rows[::5])
    assert split.test
    assert not {*texts_of(split.test)} & {*texts_of(split.validation)}
    assert expected_test(rows, settings_of(0.2)) == split_rows(rows, settings_of(0.2)).test
