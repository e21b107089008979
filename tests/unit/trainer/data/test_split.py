"""No test row has a twin in training, and the classes keep their shares."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.messages import Said
from tests.unit.trainer.data.rows_to_split import distinct_rows, marked_as, row_of, sentence, settings_of, texts_of

from so8t_shared.config.model import Dataset
from so8t_shared.errors import InputError
from so8t_shared.labels import LABELS
from so8t_trainer.data.near import shingles
from so8t_trainer.data.rows import Row, normalized, row_id
from so8t_trainer.data.split import expected_test, split_rows


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 12),
            st.sampled_from(LABELS),
            st.sampled_from([None, "g1", "g2", "g3"]),
            st.sampled_from([None, None, "train", "test"]),
        ),
        min_size=8,
        max_size=40,
    ),
    st.integers(0, 5),
    st.sampled_from([(), ("train",), ("train", "test")]),
)
def test_a_split_is_a_partition_by_groups(
    drawn: list[tuple[int, str, str | None, str | None]], seed: int, marked: tuple[str, ...]
) -> None:
    """Every kept row is on one side; equal texts, near duplicates and equal groups are on the same one.

    So it is with rows marked by their author, all or some; a marked row is never on the other side.
    """
    rows = [
        row_of(sentence(number), label, group, side if side in marked else None) for number, label, group, side in drawn
    ]
    try:
        split = split_rows(rows, settings_of(seed=seed))
    except InputError:  # too few rows of a kind; what is refused has a test of its own
        assume(False)
    texts = [[normalized(row.text) for row in side] for side in (split.train, split.test)]
    assert not set(texts[0]) & set(texts[1])
    assert (
        len(rows)
        == sum(map(len, (split.train, split.validation, split.test))) + split.duplicates + split.excluded.total()
    )
    groups = [{row.group for row in side} - {None} for side in (split.train, split.test)]
    assert not groups[0] & groups[1]
    assert "test" not in {row.split for row in split.train}
    assert "train" not in {row.split for row in split.test}
    for one in split.test:
        for other in split.train:
            a, b = shingles(one.text), shingles(other.text)
            assert len(a & b) / len(a | b) < 0.95
    again = split_rows(rows, settings_of(seed=seed))
    assert (again.train, again.test) == (split.train, split.test)


def test_classes_keep_their_shares() -> None:
    """With groups of one row the share of each class is exact."""
    split = split_rows(distinct_rows(40), settings_of(0.25))
    assert Counter(row.label for row in split.test) == dict.fromkeys(LABELS, 10)
    assert Counter(row.label for row in split.train) == dict.fromkeys(LABELS, 30)
    assert split.groups == 160


def test_the_seed_decides() -> None:
    """Another seed holds out other rows."""
    rows = distinct_rows(20)
    assert split_rows(rows, settings_of(seed=1)).test != split_rows(rows, settings_of(seed=2)).test


def test_large_groups_still_give_each_class_a_test_row() -> None:
    """Two groups a class, each larger than the class's share: one of them is held out."""
    rows = [row_of(sentence(i), LABELS[i % 4], group=f"{LABELS[i % 4]}{i % 8}") for i in range(64)]
    split = split_rows(rows, settings_of(0.1))
    assert {row.label for row in split.test} == set(LABELS) == {row.label for row in split.train}


def test_near_duplicates_stay_together() -> None:
    """Texts that differ in a word form one group; the threshold decides what near means."""
    template = "Please forward the quarterly report of the finance department to {} before Friday evening"
    near = [row_of(template.format(name), label) for name, label in zip(["Ann", "Bob", "Eve"], LABELS, strict=False)]
    rows = [*near, *distinct_rows(10)]
    assert split_rows(rows, settings_of()).groups == 41
    assert split_rows(rows, Dataset(paths=["x"], near_duplicate_threshold=0.99)).groups == 43


def test_rows_of_one_group_and_near_duplicates_share_a_name_on_either_side() -> None:
    """The evaluator needs to know which test rows are not independent, however the author named their groups."""
    near = [row_of(f"{sentence(901)} number {i}") for i in range(3)]
    named = [row_of(sentence(902 + i), "DENY", group="t" if i else None) for i in range(3)]
    split = split_rows([*near, *named, *distinct_rows(4)], settings_of())
    clusters: dict[str, list[str]] = {}
    for row in (*split.train, *split.test):
        clusters.setdefault(row.exported().group, []).append(row.text)
    alone = clusters.pop("")
    assert sentence(902) in alone
    assert sorted(map(len, clusters.values())) == [2, 3]
    assert all(name in {row_id(text) for text in texts} for name, texts in clusters.items())


def test_repetitions_are_dropped_and_contradictions_left_out() -> None:
    """A text with two labels teaches nothing."""
    rows = [
        *distinct_rows(5),
        row_of("Hello  World"),
        row_of("hello world"),
        row_of("Same", "ALLOW"),
        row_of("same", "DENY"),
    ]
    split = split_rows(rows, settings_of())
    assert split.duplicates == 1
    assert split.excluded == {"same text with different labels": 2}
    texts = [normalized(row.text) for row in [*split.train, *split.test]]
    assert texts.count("hello world") == 1
    assert "same" not in texts


def test_the_authors_split_is_kept_but_leaks_are_removed() -> None:
    """Test rows stay; a training row that resembles one, or shares its group, goes."""
    test = [row_of(sentence(i), LABELS[i % 4], f"t{i}", "test") for i in range(4)]
    train = [row_of(sentence(100 + i), LABELS[i % 4], f"r{i}", "train") for i in range(8)]
    leaks = [
        row_of(test[0].text.upper() + " ", "DENY", None, "train"),
        row_of(test[1].text + " now", "ALLOW", None, "train"),
        row_of("entirely different", "ALLOW", "t2", "train"),
    ]
    split = split_rows([*leaks, *train, *test], settings_of())
    assert split.test == test
    assert split.train == train
    assert split.excluded == {"near duplicate of a test row": 2, "group of a test row": 1}


def test_rows_that_say_nothing_are_trained_on_where_others_are_marked_test() -> None:
    """One row without the field must not undo the author's split; that it is so is noted, with the number."""
    rows = distinct_rows(8)
    marked = [marked_as(row, "test" if i < 12 else "train") for i, row in enumerate(rows[:20])]
    split = split_rows([*marked, *rows[20:]], settings_of(0.25))
    assert split.test == marked[:12]
    assert texts_of(split.train) == texts_of(rows[12:])
    assert split.notes == ["12 rows have no split: they are trained on, because other rows are marked test"]


def test_rows_marked_train_stay_in_training() -> None:
    """Where none is marked test, the test rows come from the groups that hold no row marked train."""
    rows = distinct_rows(8)
    marked = [marked_as(row, "train") for row in rows[:16]]
    tied = row_of(rows[0].text + " now", rows[0].label)
    split = split_rows([*marked, tied, *rows[16:]], settings_of(0.25))
    assert Counter(row.label for row in split.test) == dict.fromkeys(LABELS, 2)
    assert {*texts_of(marked), tied.text} <= {*texts_of(split.train)}
    assert not split.notes


def test_given_test_rows_are_the_test_set() -> None:
    """ab_test.test_data wins over everything, and its twins leave training."""
    rows = distinct_rows(5)
    tests = [row_of(rows[0].text, rows[0].label), row_of("something new altogether", "REFUSE")]
    split = split_rows(rows, settings_of(), tests)
    assert texts_of(split.test) == texts_of(tests)
    assert texts_of(split.train) == texts_of(rows[1:])
    assert split.excluded == {"near duplicate of a test row": 1}


def test_rows_marked_test_are_not_trained_on_beside_given_test_rows() -> None:
    """Their author held them out, whichever rows the test is made of: they are left out and counted."""
    rows = distinct_rows(5)
    marked = [marked_as(row, "test") for row in rows[:8]]
    split = split_rows([*marked, *rows[8:]], settings_of(), [row_of("something new altogether", "REFUSE")])
    assert texts_of(split.train) == texts_of(rows[8:])
    assert split.excluded == {"marked test, while ab_test.test_data is the test set": 8}


@pytest.mark.parametrize(
    "rows",
    [
        [row_of(sentence(i), "ALLOW") for i in range(9)],
        [row_of(sentence(i), LABELS[i % 4], "one") for i in range(9)],
        [row_of(sentence(i), LABELS[i % 4], split="train") for i in range(9)],
        [],
    ],
    ids=["one class", "one group", "all marked", "none"],
)
def test_a_split_that_cannot_be_used_is_refused(rows: list[Row], said: Said) -> None:
    """One class, one group, or nothing at all."""
    with said.raised(InputError):
        split_rows(rows, settings_of())


def test_test_data_of_which_nothing_is_left_is_refused(said: Said) -> None:
    """The error names its key."""
    with said.raised(InputError, where="ab_test.test_data"):
        split_rows(distinct_rows(5), settings_of(), [])


def test_expected_without_a_search() -> None:
    """Rows without near duplicates are expected exactly: drawn by declared groups, or as marked, or as given."""
    rows = [row_of(sentence(i), LABELS[i % 4], group=str(i // 3)) for i in range(60)]
    marked = [marked_as(row, "test") if i % 5 == 0 else row for i, row in enumerate(rows)]
    given = [row_of(sentence(i), LABELS[i % 4]) for i in range(100, 120)]
    for some, tests in ((rows, None), (marked, None), (rows, given)):
        found = expected_test(some, settings_of(), tests)
        assert found == split_rows(some, settings_of(), tests).test
        assert found


def test_the_same_request_after_other_turns_is_another_row() -> None:
    """It may have another class; but it is near, so both are on one side."""
    turns = (("user", "May I come in?"), ("assistant", "Who are you?"))
    rows = [row_of("The owner.", "ALLOW"), replace(row_of("The owner.", "DENY"), turns=turns)]
    systems = [
        replace(row_of("Open it.", label), turns=(("system", s),)) for label, s in (("ALLOW", "a"), ("DENY", "b"))
    ]
    split = split_rows([*rows, *systems, *distinct_rows(8)], settings_of())
    assert not split.excluded
    assert split.groups == 32 + 2 + 1
