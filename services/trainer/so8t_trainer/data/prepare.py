"""Prepares the data: read every source, apply the policy, split."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass

from so8t_shared.config.model import Dataset
from so8t_shared.labels import LABELS
from so8t_shared.progress import Progress, no_progress
from so8t_shared.results.training import DataReport, LabeledRow
from so8t_trainer.data.policy import apply_policy, declared_source, demand_classes, facts_of_test, source_facts
from so8t_trainer.data.read import SourceRows, read_source
from so8t_trainer.data.rows import Row
from so8t_trainer.data.split import split_rows


@dataclass
class PreparedData:
    """The parts of the split, and the report on how they were made."""

    train: list[LabeledRow]
    validation: list[LabeledRow]
    """Neither trained on nor tested; may be empty."""
    test: list[LabeledRow]
    report: DataReport

    def keep_train(self, kept: list[LabeledRow], reason: str) -> None:
        """Reduce the training rows to `kept`; the others count as excluded for `reason`."""
        dropped = {reason: len(self.train) - len(kept)} if len(kept) < len(self.train) else {}
        self.train = kept
        changed = {
            "excluded": self.report.excluded | dropped,
            "train": _by_label(kept),
            "by_language": _by_language([*kept, *self.validation, *self.test]),
        }
        self.report = self.report.model_copy(update=changed)


def prepare_data(
    settings: Dataset, test_data: str | None, log: logging.Logger, progress: Progress = no_progress
) -> PreparedData:
    """Read `settings.paths` (and `test_data` as the test set, if given), filter and split.

    Raises:
        InputError: see `read_source`, `declared_source`, `split_rows`.
        Exception: anything that `progress` raises to stop.
    """
    sources: dict[str, dict[str, str]] = {}
    rows: list[Row] = []
    for path in settings.paths:
        source = read_source(path, settings.format)
        declared = declared_source(source, settings.source, settings.policy)
        sources[path] = _described(source, source_facts(declared))
        log.info("%s: %s", path, _counts(source))
        rows += source.rows
    test_rows = None
    if test_data:
        source = read_source(test_data)
        sources[test_data] = _described(source, facts_of_test(source))
        log.info("%s (test rows): %s", test_data, _counts(source))
        test_rows = source.rows
    return _filtered_and_split(rows, test_rows, sources, settings, log, progress)


def _filtered_and_split(
    rows: list[Row],
    test_rows: list[Row] | None,
    sources: dict[str, dict[str, str]],
    settings: Dataset,
    log: logging.Logger,
    progress: Progress,
) -> PreparedData:
    demand_classes(rows)
    kept, excluded = apply_policy(rows, settings.policy, progress)
    if test_rows is not None:
        kept_tests, excluded_tests = apply_policy(test_rows, settings.policy, progress)
        excluded += excluded_tests
    split = split_rows(kept, settings, None if test_rows is None else kept_tests, progress)
    for note in split.notes:
        log.info("%s", note)
    excluded += split.excluded
    sides = (split.train, split.validation, split.test)
    train, validation, test = ([row.exported() for row in side] for side in sides)
    report = DataReport(
        sources=sources,
        rows_read=len(rows) + len(test_rows or []),
        excluded=dict(sorted(excluded.items())),
        duplicates=split.duplicates,
        groups=split.groups,
        train=_by_label(train),
        validation=_by_label(validation) if validation else {},
        test=_by_label(test),
        by_language=_by_language([*train, *validation, *test]),
    )
    for reason, count in report.excluded.items():
        log.info("left out: %d rows (%s)", count, reason)
    for label in _lost(rows, report.train):
        log.warning("no row of class %s is left to train on, although the data has some; see the rows left out", label)
    log.info(
        "training rows %s, validation rows %s, test rows %s, %d groups",
        *(report.train, report.validation or "none", report.test, report.groups),
    )
    return PreparedData(train, validation, test, report)


def _described(source: SourceRows, facts: dict[str, str]) -> dict[str, str]:
    return {"schema": source.schema, **facts, "rows": str(len(source.rows))}


def _counts(source: SourceRows) -> str:
    labels = ", ".join(f"{label} {count}" for label, count in Counter(row.label for row in source.rows).items())
    marked = sum(row.split == "test" for row in source.rows)
    return f"{len(source.rows)} rows of shape {source.schema}; {labels}" + (f"; {marked} marked test" if marked else "")


def _by_label(rows: list[LabeledRow]) -> dict[str, int]:
    counts = Counter(row.label for row in rows)
    return {label: counts[label] for label in LABELS}


def _lost(rows: list[Row], train: dict[str, int]) -> list[str]:
    """Return the classes of the data that the training set lacks."""
    return [label for label in LABELS if not train[label] and any(row.label == label for row in rows)]


def _by_language(rows: list[LabeledRow]) -> dict[str, int]:
    return dict(sorted(Counter(row.language for row in rows).items()))
