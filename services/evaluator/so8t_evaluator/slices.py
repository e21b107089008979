"""B against A in parts of the test set: by language, and by category."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

from so8t_evaluator.paired import Marks, adjusted, marks_of, pair
from so8t_shared.results.answers import Sample
from so8t_shared.results.paired import Slice
from so8t_shared.results.training import LabeledRow
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import Scoring

By = Literal["language", "category"]

MOST_LINES = 20
"""Maximum lines per table; the smallest values beyond it are grouped as "other"."""

OTHER = "other"

_VALUE_OF: dict[By, Callable[[LabeledRow], str]] = {
    "language": lambda row: row.language,
    "category": lambda row: row.category,
}


def slices_of(
    rows: Sequence[LabeledRow], samples: Sequence[Sample], quantization: Quantization, scoring: Scoring
) -> list[Slice]:
    """Return both tables in one setting, largest group first; no table if all rows share one value.

    p is Holm-adjusted within each table.
    """
    marks = marks_of(samples)
    a, b = marks["a", quantization, scoring], marks["b", quantization, scoring]
    return [line for by, value_of in _VALUE_OF.items() for line in _table(by, [*map(value_of, rows)], a, b)]


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
