"""The test set and its parts, and B against A in each: by language, and by category."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

from so8t_evaluator.paired import Marks, adjusted, marks_of_one, pair
from so8t_shared.labels import LABELS
from so8t_shared.results.answers import Sample
from so8t_shared.results.evaluation import TestSet
from so8t_shared.results.paired import Slice

By = Literal["language", "category"]

MOST_LINES = 20
"""Maximum lines per table; the smallest values beyond it are grouped as "other"."""

OTHER = "other"

_VALUE_OF: dict[By, Callable[[Sample], str]] = {
    "language": lambda sample: sample.language,
    "category": lambda sample: sample.category,
}


def describe(samples: Sequence[Sample]) -> TestSet:
    """Count the rows by class and language, given one model's answers in one setting."""
    languages = sorted({sample.language for sample in samples})
    return TestSet(
        n=len(samples),
        by_label={label: sum(sample.gold == label for sample in samples) for label in LABELS},
        by_language={language: sum(sample.language == language for sample in samples) for language in languages},
    )


def slices_of(a: Sequence[Sample], b: Sequence[Sample]) -> list[Slice]:
    """Return both tables for the answers of A and B in one setting, largest group first.

    No table if all rows share one value; p is Holm-adjusted within each table.
    """
    marks_a, marks_b = (marks_of_one(answers) for answers in (a, b))
    return [line for by, value_of in _VALUE_OF.items() for line in _table(by, [*map(value_of, a)], marks_a, marks_b)]


def _table(by: By, values: Sequence[str], a: Marks, b: Marks) -> list[Slice]:
    ranked = [value for value, _ in sorted(Counter(values).items(), key=lambda found: (-found[1], found[0]))]
    if len(ranked) < 2:
        return []
    groups = [(value, {value}) for value in ranked]
    if len(groups) > MOST_LINES:
        groups[MOST_LINES - 1 :] = [(OTHER, set(ranked[MOST_LINES - 1 :]))]
    lines = []
    for name, members in groups:
        places = [i for i, value in enumerate(values) if value in members]
        part_a, part_b = [a[i] for i in places], [b[i] for i in places]
        lines.append(pair(Slice, part_a, part_b, by=by, value=name, gathered=len(members)))
    return adjusted(lines)
