"""The test set and its parts, and B against A in each: by language, and by category."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from so8t_evaluator.paired import adjusted, marks_of, pair
from so8t_evaluator.stats.paired import Kind
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


@dataclass(frozen=True)
class Part:
    """The rows of one language or category."""

    by: By
    value: str
    places: NDArray[np.bool_]
    """[n], whether a row belongs to it."""
    gathered: int = 1
    """Number of values in it: more than 1 if the smallest were combined."""


def parts_of(samples: Sequence[Sample]) -> list[Part]:
    """Return the parts by language and by category, each kind largest first; none if all rows share one value."""
    return [part for by, value_of in _VALUE_OF.items() for part in _parts(by, [*map(value_of, samples)])]


def slices_of(a: Sequence[Sample], b: Sequence[Sample], test: Kind) -> list[Slice]:
    """Compare A and B in one setting in each part; p is Holm-adjusted within each kind."""
    marks_a, marks_b = marks_of(a), marks_of(b)
    lines: dict[By, list[Slice]] = {by: [] for by in _VALUE_OF}
    for part in parts_of(a):
        names = {"by": part.by, "value": part.value, "gathered": part.gathered}
        lines[part.by].append(pair(Slice, marks_a.among(part.places), marks_b.among(part.places), test, **names))
    return [line for table in lines.values() for line in adjusted(table)]


def _parts(by: By, values: Sequence[str]) -> list[Part]:
    ranked = [value for value, _ in sorted(Counter(values).items(), key=lambda found: (-found[1], found[0]))]
    if len(ranked) < 2:
        return []
    groups = [(value, [value]) for value in ranked]
    if len(groups) > MOST_LINES:
        groups[MOST_LINES - 1 :] = [(OTHER, ranked[MOST_LINES - 1 :])]
    column = np.array(values)
    return [Part(by, name, np.isin(column, members), len(members)) for name, members in groups]
