"""Paired answers to the same rows: counts, difference and test, for tables that explain a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from so8t_evaluator.outcomes import Answers, AnswersInOrder, outcomes_of
from so8t_evaluator.stats.holm import holm
from so8t_evaluator.stats.paired import Kind, paired_p
from so8t_shared.results.answers import Sample
from so8t_shared.results.paired import Paired
from so8t_shared.results.sides import Side
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import Scoring

P = TypeVar("P", bound=Paired)

Setting = tuple[Side, Quantization, Scoring]


@dataclass(frozen=True)
class Marks:
    """Which rows were answered right, in row order."""

    rows: list[str]
    right: NDArray[np.bool_]
    groups: NDArray[np.int64]

    def among(self, places: NDArray[np.bool_]) -> Marks:
        """Return the chosen rows."""
        rows = [row for row, chosen in zip(self.rows, places, strict=True) if chosen]
        return Marks(rows, self.right[places], self.groups[places])


def by_setting(samples: Iterable[Sample], *, in_order: bool = False) -> dict[Setting, Answers]:
    """Group answers by model, quantization and scoring, preserving their order; `in_order` if it is that of asking."""
    found: dict[Setting, list[Sample]] = {}
    for sample in samples:
        found.setdefault((sample.model, sample.quantization, sample.scoring), []).append(sample)
    kind = AnswersInOrder if in_order else Answers
    return {setting: kind(answers) for setting, answers in found.items()}


def marks_of(samples: Sequence[Sample]) -> Marks:
    """Mark which answers of one model in one setting are right."""
    rows = outcomes_of(samples)
    return Marks([s.row_id for s in samples], rows.right, rows.groups)


def pair(kind: type[P], reference: Marks, other: Marks, test: Kind, /, **names: Any) -> P:
    """Return one table line; its adjusted p is for a family of one, and `adjusted` handles the family.

    Raises:
        ValueError: the two are empty or do not hold the same rows in the same order.
    """
    if not other.rows or reference.rows != other.rows:
        raise ValueError("a paired test needs the same rows on both sides")
    difference = other.right.astype(np.int8) - reference.right
    gained, lost = int((difference > 0).sum()), int((difference < 0).sum())
    p = paired_p(difference, other.groups, test)
    return kind(
        n=len(other.rows),
        reference_right=int(reference.right.sum()),
        other_right=int(other.right.sum()),
        gained=gained,
        lost=lost,
        difference=(gained - lost) / len(other.rows),
        p_value=p,
        p_adjusted=p,
        **names,
    )


def adjusted(lines: Sequence[P]) -> list[P]:
    """Return the lines with Holm-adjusted p-values."""
    p_values = holm([line.p_value for line in lines])
    return [line.model_copy(update={"p_adjusted": p}) for line, p in zip(lines, p_values, strict=True)]
