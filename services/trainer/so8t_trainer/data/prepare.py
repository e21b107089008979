"""Prepares the data: read every source, apply the policy, split."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from so8t_shared.config.model import Dataset
from so8t_shared.json_files import write_json, write_lines
from so8t_shared.labels import LABELS
from so8t_shared.progress import Progress, no_progress
from so8t_shared.results.training import DataReport, LabeledRow
from so8t_shared.splits import sides_of_paths
from so8t_trainer.data.policy import apply_policy, declared_source, demand_classes, facts_of_test, source_facts
from so8t_trainer.data.read import Reader, SourceRows
from so8t_trainer.data.rows import Row
from so8t_trainer.data.split import split_rows

_SIDES = ("train", "validation", "test")


@dataclass
class PreparedData:
    """The parts of the split, and the report on how they were made."""

    train: list[LabeledRow]
    validation: list[LabeledRow]
    """Neither trained on nor tested; may be empty."""
    test: list[LabeledRow]
    report: DataReport

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return what `write` wrote.

        Raises:
            IntegrityError: a file is missing or damaged.
            NewerFormat: a newer program wrote it.
        """
        train, validation, test = (LabeledRow.read_lines(folder / "splits" / f"{side}.jsonl") for side in _SIDES)
        return cls(train, validation, test, DataReport.read(folder / "data_report.json"))

    def write(self, folder: Path) -> None:
        """Write splits/train.jsonl, splits/validation.jsonl, splits/test.jsonl and data_report.json.

        Raises:
            StorageError: the disk is full, read-only or not ours.
        """
        for side, rows in zip(_SIDES, (self.train, self.validation, self.test), strict=True):
            write_lines(folder / "splits" / f"{side}.jsonl", rows)
        write_json(folder / "data_report.json", self.report)

    def keep_train(self, kept: list[LabeledRow], reason: str) -> None:
        """Reduce the training rows to `kept`; the others count as excluded for `reason`."""
        dropped = {reason: len(self.train) - len(kept)} if len(kept) < len(self.train) else {}
        self.train = kept
        changed = {"excluded": self.report.excluded | dropped, "train": by_label(kept)}
        self.report = self.report.model_copy(update=changed | _uses([*kept, *self.validation, *self.test]))


def prepare_data(
    settings: Dataset, test_data: str | None, log: logging.Logger, progress: Progress = no_progress
) -> PreparedData:
    """Read `settings.paths` (and `test_data` as the test set, if given), filter and split.

    Raises:
        InputError: see `_read`, `split_rows`.
        Exception: anything that `progress` raises to stop.
    """
    read = _read(settings, test_data)
    for path, source in read.sources.items():
        log.info("%s: %s", path, _counts(source))
    if read.tests:
        log.info("%s (test rows): %s", test_data, _counts(read.tests))
    for name, count in unused_fields(read.rows).items():
        log.info("not used: %s (%d rows)", name, count)
    for name, count in reasoning_fields(read.rows).items():
        log.info("read as thinking: %s (%d rows)", name, count)
    for word, count in words_for_labels(read.rows).items():
        log.info("label by a word: %s (%d rows)", word, count)
    return _filtered_and_split(read, settings, log, progress)


@dataclass
class _Read:
    """What was read, and where from."""

    sources: dict[str, SourceRows]
    described: dict[str, dict[str, str]]
    tests: SourceRows | None = None

    @property
    def rows(self) -> list[Row]:
        return [row for source in self.sources.values() for row in source.rows]


def _read(settings: Dataset, test_data: str | None) -> _Read:
    """Read everything; one error names all rows that cannot be used.

    Raises:
        InputError: there are such rows, or a source is missing, empty or without an allowed license.
    """
    reader = Reader.of(settings)
    read = _Read({}, {})
    for path, side in zip(settings.paths, sides_of_paths(settings.paths), strict=True):
        source = read.sources[path] = reader.source(path, side)
        declared = declared_source(source, settings.source, settings.policy)
        read.described[path] = _described(source, source_facts(declared))
    reader.demand_columns()
    if test_data:
        read.tests = reader.of_tests().source(test_data)
        read.described[test_data] = _described(read.tests, facts_of_test(read.tests))
    reader.demand_no_faults()
    return read


def _filtered_and_split(read: _Read, settings: Dataset, log: logging.Logger, progress: Progress) -> PreparedData:
    rows, tests = read.rows, read.tests.rows if read.tests else None
    demand_classes(rows)
    kept, excluded = apply_policy(rows, settings.policy, progress)
    kept_tests = None
    if tests is not None:
        kept_tests, excluded_tests = apply_policy(tests, settings.policy, progress)
        excluded += excluded_tests
    split = split_rows(kept, settings, kept_tests, progress)
    for note in split.notes:
        log.info("%s", note)
    excluded += split.excluded
    sides = (split.train, split.validation, split.test)
    train, validation, test = ([row.exported() for row in side] for side in sides)
    report = DataReport(
        sources=read.described,
        rows_read=len(rows) + len(tests or []),
        excluded=dict(sorted(excluded.items())),
        duplicates=split.duplicates,
        groups=split.groups,
        train=by_label(train),
        validation=by_label(validation) if validation else {},
        test=by_label(test),
        unused=unused_fields(rows),
        label_words=words_for_labels(rows),
        **_uses([*train, *validation, *test]),
    )
    for reason, count in report.excluded.items():
        log.info("left out: %d rows (%s)", count, reason)
    for label in _lost(rows, report.train):
        log.warning("no row of class %s is left to train on, although the data has some; see the rows left out", label)
    told = (report.train, report.validation or "none", report.test, report.groups)
    log.info("training rows %s, validation rows %s, test rows %s, %d groups", *told)
    return PreparedData(train, validation, test, report)


def _described(source: SourceRows, facts: dict[str, str]) -> dict[str, str]:
    encoding = {"encoding": source.encoding} if source.encoding else {}
    return {"schema": source.schema, **facts, "rows": str(len(source.rows)), **encoding}


def _counts(source: SourceRows) -> str:
    labels = ", ".join(f"{label} {count}" for label, count in Counter(row.label for row in source.rows).items())
    sides = Counter(row.split for row in source.rows if row.split in {"test", "validation"})
    marked = "".join(f"; {count} marked {side}" for side, count in sorted(sides.items()))
    encoding = f"; {source.encoding}" if source.encoding else ""
    return f"{len(source.rows)} rows of shape {source.schema}{encoding}; {labels}{marked}"


def unused_fields(rows: list[Row]) -> dict[str, int]:
    """Return each field that is not used, with the number of rows that have it."""
    return dict(Counter(name for row in rows for name in row.unused).most_common())


def reasoning_fields(rows: list[Row]) -> dict[str, int]:
    """Return each field beside an answer that was read as thinking, with the number of rows that have it."""
    return dict(Counter(name for row in rows for name in row.reasoning).most_common())


def words_for_labels(rows: list[Row]) -> dict[str, int]:
    """Return each word that was read as a class, as 'word = CLASS', with its number of rows."""
    return dict(Counter(f"{row.label_word} = {row.label}" for row in rows if row.label_word).most_common())


def _uses(rows: list[LabeledRow]) -> dict[str, Any]:
    """Return what the report says of all rows that are used."""
    return {
        "by_language": dict(sorted(Counter(row.language for row in rows).items())),
        "thinking": dict(Counter(role for row in rows for role in row.thinking)),
        "with_turns": sum(bool(row.turns) for row in rows),
    }


def by_label(rows: Sequence[LabeledRow] | Sequence[Row]) -> dict[str, int]:
    """Return the number of rows of each class."""
    counts = Counter(row.label for row in rows)
    return {label: counts[label] for label in LABELS}


def _lost(rows: list[Row], train: dict[str, int]) -> list[str]:
    """Return the classes of the data that the training set lacks."""
    return [label for label in LABELS if not train[label] and any(row.label == label for row in rows)]
