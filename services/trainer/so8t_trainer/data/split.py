"""Holds out test and validation rows by groups, so that none of them has a near duplicate in training."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from so8t_shared.config.model import Dataset
from so8t_shared.errors import InputError
from so8t_shared.progress import Progress, no_progress
from so8t_trainer.data.near import NearDuplicates
from so8t_trainer.data.rows import Row

LEAST_VALIDATION_GROUPS = 8
"""Figures from fewer groups would be noise, and training would miss the rows."""


@dataclass
class Split:
    """Rows to train on, to validate on while training, and to test with."""

    train: list[Row]
    validation: list[Row]
    """May be empty."""
    test: list[Row]
    groups: int
    duplicates: int = 0
    excluded: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    """Decisions made on behalf of the data's author."""


@dataclass
class _Placed:
    """Rows, each with its fixed side (`split`), or None if still undecided."""

    rows: list[Row]
    excluded: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def split_rows(
    rows: list[Row], settings: Dataset, test_rows: list[Row] | None = None, progress: Progress = no_progress
) -> Split:
    """Split `rows`. The test set is `test_rows` if given, else the rows marked test, else some of the groups.

    The result depends only on the rows, their order and the seed.

    Raises:
        InputError: no row is left for training or testing, or training would see a single class.
    """
    placed = _placed(rows, test_rows)
    unique, duplicates, excluded = _unique(placed.rows)
    near = NearDuplicates([row.said for row in unique], settings.near_duplicate_threshold, progress)
    groups = _groups(unique, near, progress)
    test = _marked(unique, "test")
    twins = _twins(unique, test, near, "test")
    if not test:
        test = _hold_out(unique, groups, settings)
    if marked := _marked(unique, "validation"):
        validation = marked - set(twins)
        beside = _twins(unique, validation, near, "validation")
        twins = {position: why for position, why in beside.items() if position not in test} | twins
    else:
        validation = _validation(unique, groups, set(range(len(unique))) - test - set(twins), settings)
    if settings.validation_fraction and not validation:
        placed.notes.append(
            f"no rows are kept back for validation: dataset.validation_fraction = {settings.validation_fraction:g} of"
            f" the training groups would be fewer than {LEAST_VALIDATION_GROUPS} groups"
        )
    split = Split(
        train=_side(unique, groups, set(range(len(unique))) - test - validation - set(twins)),
        test=_side(unique, groups, test),
        validation=_side(unique, groups, validation),
        groups=len(groups),
        duplicates=duplicates,
        excluded=placed.excluded + excluded + Counter(twins.values()),
        notes=placed.notes,
    )
    return _checked(split, test_rows)


def expected_test(rows: list[Row], settings: Dataset, test_rows: list[Row] | None = None) -> list[Row]:
    """Return about the rows that `split_rows` would test with: near duplicates are not looked for, so it is fast."""
    unique, _, _ = _unique(_placed(rows, test_rows).rows)
    groups = _groups(unique, None, no_progress)
    return _side(unique, groups, _marked(unique, "test") or _hold_out(unique, groups, settings))


def _placed(rows: list[Row], test_rows: list[Row] | None) -> _Placed:
    """Fix the side of rows; this is the only place that does. A row marked test never becomes a training row."""
    if test_rows is not None:
        left = [replace(row, split=row.split or "train") for row in rows if row.split != "test"]
        marked = Counter({"marked test, while ab_test.test_data is the test set": len(rows) - len(left)})
        return _Placed([*(replace(row, split="test") for row in test_rows), *left], +marked)
    if not any(row.split == "test" for row in rows):
        return _Placed(rows)
    notes = []
    if silent := sum(row.split is None for row in rows):
        notes.append(f"{silent} rows have no split: they are trained on, because other rows are marked test")
    return _Placed([replace(row, split=row.split or "train") for row in rows], notes=notes)


def _unique(rows: list[Row]) -> tuple[list[Row], int, Counter[str]]:
    """Return rows with distinct normalized texts per side, the number of repetitions, and the rows left out.

    A text with several labels teaches nothing and is left out entirely. Test and validation rows are compared only
    with each other, because faults in the training rows must not change them.
    """
    by_text: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        by_text[row.split if row.split in {"test", "validation"} else "", row.identity].append(row)
    kept: list[Row] = []
    excluded: Counter[str] = Counter()
    duplicates = 0
    for same in by_text.values():
        if len({row.label for row in same}) > 1:
            excluded["same text with different labels"] += len(same)
        else:
            kept.append(next((row for row in same if row.split), same[0]))
            duplicates += len(same) - 1
    return kept, duplicates, excluded


def _groups(rows: list[Row], near: NearDuplicates | None, progress: Progress) -> list[list[int]]:
    """Return positions of rows that belong together: near duplicates and equal `group`, transitively."""
    named: dict[str, int] = {}
    first = np.array(
        [position if row.group is None else named.setdefault(row.group, position) for position, row in enumerate(rows)],
        dtype=np.intp,
    )
    if near is not None:
        first = near.joined(first, progress)
    members: dict[int, list[int]] = defaultdict(list)
    for position, group in enumerate(first.tolist()):
        members[group].append(position)
    return list(members.values())


def _side(rows: list[Row], groups: list[list[int]], chosen: set[int]) -> list[Row]:
    """Return the chosen rows in order, each with the name of its group unless it is alone on this side."""
    side = {position: rows[position] for position in sorted(chosen)}
    for group in groups:
        together = [position for position in group if position in chosen]
        if len(together) > 1:
            name = min(rows[position].id for position in together)
            side |= {position: replace(rows[position], cluster=name) for position in together}
    return list(side.values())


def _marked(rows: list[Row], side: str) -> set[int]:
    return {position for position, row in enumerate(rows) if row.split == side}


def _twins(rows: list[Row], held: set[int], near: NearDuplicates, side: str) -> dict[int, str]:
    """Return positions of other rows that resemble a row held out on this side or share its group, with the reason."""
    groups = {rows[position].group for position in held} - {None}
    twins = {position: f"group of a {side} row" for position, row in enumerate(rows) if row.group in groups}
    marked = np.zeros(len(rows), np.bool_)
    marked[list(held)] = True
    twins |= dict.fromkeys(near.beside(marked).tolist(), f"near duplicate of a {side} row")
    return {position: reason for position, reason in twins.items() if position not in held}


def _hold_out(rows: list[Row], groups: list[list[int]], settings: Dataset) -> set[int]:
    """Return positions of the rows in the held-out groups; no such group has a row marked train."""
    groups = groups.copy()
    random.Random(settings.split_seed).shuffle(groups)
    labels = [Counter(rows[position].label for position in group) for group in groups]
    free = [all(rows[position].split is None for position in group) for group in groups]
    chosen = _chosen(labels, free, settings.test_fraction)
    return {position for index in chosen for position in groups[index]}


def _validation(rows: list[Row], groups: list[list[int]], train: set[int], settings: Dataset) -> set[int]:
    """Return positions of training rows to validate on instead: whole groups, or none if they would be too few."""
    if not settings.validation_fraction:
        return set()
    inside = [[position for position in group if position in train] for group in groups]
    inside = [group for group in inside if group]
    random.Random(f"validation/{settings.split_seed}").shuffle(inside)
    labels = [Counter(rows[position].label for position in group) for group in inside]
    chosen = _chosen(labels, [True] * len(inside), settings.validation_fraction)
    if len(chosen) < LEAST_VALIDATION_GROUPS:
        return set()
    return {position for index in chosen for position in inside[index]}


def _chosen(groups: list[Counter[str]], free: list[bool], fraction: float) -> set[int]:
    """Return indices of the groups to hold out, given each group's rows per label and whether it is free.

    A label without any test row gives up its smallest group, if it has another group to train on.
    """
    chosen, held = _closest(groups, free, fraction)
    for label in sorted(sum(groups, Counter[str]())):
        having = [index for index, labels in enumerate(groups) if labels[label]]
        spare = [index for index in having if free[index]]
        if not held[label] and spare and len(having) > 1:
            smallest = min(spare, key=lambda index: groups[index].total())
            held.update(groups[smallest])
            chosen.add(smallest)
    return chosen


def _closest(groups: list[Counter[str]], free: list[bool], fraction: float) -> tuple[set[int], Counter[str]]:
    """Return the free groups that each bring the labels closer to their share, and their rows per label."""
    total: Counter[str] = Counter()
    for labels in groups:
        total.update(labels)
    target = {label: count * fraction for label, count in total.items()}
    held: Counter[str] = Counter()
    chosen: set[int] = set()

    def distance(added: Counter[str], sign: int) -> float:
        return sum((target[label] - held[label] - sign * count) ** 2 for label, count in added.items())

    for index, labels in enumerate(groups):
        if free[index] and distance(labels, 1) < distance(labels, 0):
            held.update(labels)
            chosen.add(index)
    return chosen, held


def _checked(split: Split, test_rows: list[Row] | None) -> Split:
    found = {row.label for row in split.train}
    if not found:
        raise InputError(
            "No row is left to train on.",
            where="dataset.paths",
            remedy="add data; all rows were excluded, are test rows, or resemble one",
        )
    if len(found) == 1:
        raise InputError(
            f"All training rows have the same class, {found.pop()}.",
            where="dataset.paths",
            remedy="add rows of at least one other class",
        )
    if not split.test:
        raise _no_test(split.train, test_rows)
    return split


def _no_test(train: Sequence[Row], test_rows: list[Row] | None) -> InputError:
    if test_rows is not None:
        return InputError(
            "No row is left to test with: all were excluded.",
            where="ab_test.test_data",
            remedy="add test rows that dataset.policy allows",
        )
    if all(row.split for row in train):
        return InputError(
            "No row is left to test with: all are marked train.",
            where="dataset.paths",
            remedy="mark some rows test, remove the field split, or set ab_test.test_data",
        )
    return InputError(
        "No row is left to test with: the rows form too few groups.",
        where="dataset.paths",
        remedy="add more varied data, raise dataset.test_fraction, or set ab_test.test_data",
    )
