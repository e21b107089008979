"""Holding out a test set by groups, so that no test row has a twin in training."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from so8t_shared.config.model import Dataset
from so8t_shared.errors import InputError
from so8t_trainer.data.near import NearDuplicates
from so8t_trainer.data.rows import Row, normalised


@dataclass
class Split:
    """Rows to train on and rows held out."""

    train: list[Row]
    test: list[Row]
    groups: int
    duplicates: int = 0
    excluded: Counter[str] = field(default_factory=Counter)


def split_rows(rows: list[Row], settings: Dataset, test_rows: list[Row] | None = None) -> Split:
    """Split `rows`; given `test_rows` are the test set, as are rows that their author marked so.

    The result depends on the rows, their order and the seed alone.

    Raises:
        InputError: nothing is left to train on or to test, or training would see a single class.
    """
    if test_rows is not None:
        split = _fixed_split(rows, test_rows, settings.near_duplicate_threshold)
    elif rows and all(row.split for row in rows):
        train, test = ([row for row in rows if row.split == side] for side in ("train", "test"))
        split = _fixed_split(train, test, settings.near_duplicate_threshold)
    else:
        split = _split_by_group(rows, settings)
    return _checked(split)


def _unique(rows: list[Row]) -> tuple[list[Row], int, Counter[str]]:
    """Rows with different normalised texts, the number of repetitions, and what was left out.

    A text that occurs with several labels teaches nothing and is left out altogether.
    """
    by_text: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_text[normalised(row.text)].append(row)
    kept: list[Row] = []
    excluded: Counter[str] = Counter()
    duplicates = 0
    for same in by_text.values():
        if len({row.label for row in same}) > 1:
            excluded["same text with different labels"] += len(same)
        else:
            kept.append(same[0])
            duplicates += len(same) - 1
    return kept, duplicates, excluded


def _fixed_split(train_rows: list[Row], test_rows: list[Row], threshold: float) -> Split:
    """Keep the given sides, but drop training rows that resemble a test row or share its group."""
    test, duplicates, excluded = _unique(test_rows)
    train, more_duplicates, more_excluded = _unique(train_rows)
    rows = [*test, *train]
    near = NearDuplicates([row.text for row in rows], threshold)
    resembling = {other for position in range(len(test)) for other in near.of(position)}
    test_groups = {row.group for row in test} - {None}
    kept = []
    excluded += more_excluded
    for position, row in enumerate(train, start=len(test)):
        if position in resembling:
            excluded["near duplicate of a test row"] += 1
        elif row.group in test_groups:
            excluded["group of a test row"] += 1
        else:
            kept.append(row)
    return Split(kept, test, len(_groups(rows, near)), duplicates + more_duplicates, excluded)


def _groups(rows: list[Row], near: NearDuplicates) -> list[list[int]]:
    """Positions of rows that belong together: near duplicates and equal `group`, transitively."""
    parent = list(range(len(rows)))

    def root(position: int) -> int:
        while parent[position] != position:
            parent[position] = parent[parent[position]]
            position = parent[position]
        return position

    first_of_group: dict[str, int] = {}
    for position, row in enumerate(rows):
        linked = near.of(position)
        if row.group is not None:
            linked.append(first_of_group.setdefault(row.group, position))
        for other in linked:
            parent[max(root(position), root(other))] = min(root(position), root(other))
    members: dict[int, list[int]] = defaultdict(list)
    for position in range(len(rows)):
        members[root(position)].append(position)
    return list(members.values())


def _split_by_group(rows: list[Row], settings: Dataset) -> Split:
    rows, duplicates, excluded = _unique(rows)
    groups = _groups(rows, NearDuplicates([row.text for row in rows], settings.near_duplicate_threshold))
    random.Random(settings.split_seed).shuffle(groups)
    held_out = _held_out([_labels([rows[position] for position in group]) for group in groups], settings.test_fraction)
    test = {position for index in held_out for position in groups[index]}
    return Split(
        train=[row for position, row in enumerate(rows) if position not in test],
        test=[rows[position] for position in sorted(test)],
        groups=len(groups),
        duplicates=duplicates,
        excluded=excluded,
    )


def _held_out(groups: list[Counter[str]], fraction: float) -> set[int]:
    """Indices of the groups to hold out, given each group's rows per label.

    A group is taken when it brings the labels nearer to their share. A label that would have no
    test row at all gives its smallest group, if it has another one to train on.
    """
    target = {label: count * fraction for label, count in sum(groups, Counter[str]()).items()}
    held: Counter[str] = Counter()
    chosen: set[int] = set()

    def distance(added: Counter[str], sign: int) -> float:
        return sum((target[label] - held[label] - sign * count) ** 2 for label, count in added.items())

    for index, labels in enumerate(groups):
        if distance(labels, 1) < distance(labels, 0):
            held.update(labels)
            chosen.add(index)
    for label in sorted(target):
        having = [index for index, labels in enumerate(groups) if labels[label]]
        if not held[label] and len(having) > 1:
            smallest = min(having, key=lambda index: groups[index].total())
            held.update(groups[smallest])
            chosen.add(smallest)
    return chosen


def _labels(rows: list[Row]) -> Counter[str]:
    return Counter(row.label for row in rows)


def _checked(split: Split) -> Split:
    found = set(_labels(split.train))
    if not found:
        raise InputError(
            "No row is left to train on.",
            where="dataset.paths",
            remedy="give more data; all rows were excluded, or resemble a test row",
        )
    if len(found) == 1:
        raise InputError(
            f"The training rows are all of one class, {found.pop()}.",
            where="dataset.paths",
            remedy="give rows of at least two classes",
        )
    if not split.test:
        raise InputError(
            "No row is left to test with: the rows form too few groups.",
            where="dataset.paths",
            remedy="give more varied data, raise dataset.test_fraction, or set ab_test.test_data",
        )
    return split
