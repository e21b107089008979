"""Paired answers to the same rows: counts, difference and exact test, for tables that explain a verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from so8t_evaluator.stats.holm import holm
from so8t_evaluator.stats.mcnemar import mcnemar_exact
from so8t_shared.results.answers import Sample
from so8t_shared.results.paired import Paired
from so8t_shared.results.sides import Side
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import Scoring

P = TypeVar("P", bound=Paired)

Setting = tuple[Side, Quantization, Scoring]
Marks = list[tuple[str, bool]]
"""(row id, whether the answer is right), in row order."""


def by_setting(samples: Iterable[Sample]) -> dict[Setting, list[Sample]]:
    """Group answers by model, quantization and scoring, preserving their order."""
    found: dict[Setting, list[Sample]] = {}
    for sample in samples:
        found.setdefault((sample.model, sample.quantization, sample.scoring), []).append(sample)
    return found


def marks_of(samples: Iterable[Sample]) -> dict[Setting, Marks]:
    """Mark which answers are right, by model, quantization and scoring."""
    return {setting: marks_of_one(answers) for setting, answers in by_setting(samples).items()}


def marks_of_one(answers: Iterable[Sample]) -> Marks:
    """Mark which answers of one model in one setting are right."""
    return [(s.row_id, s.predicted == s.gold) for s in answers]


def pair(kind: type[P], reference: Marks, other: Marks, /, **names: Any) -> P:
    """Return one table line; its Holm-adjusted p is for a family of one, and `adjusted` handles the family.

    Raises:
        ValueError: the two are empty or do not hold the same rows in the same order.
    """
    if not other or [row_id for row_id, _ in reference] != [row_id for row_id, _ in other]:
        raise ValueError("a paired test needs the same rows on both sides")
    counts = Counter((x, y) for (_, x), (_, y) in zip(reference, other, strict=True))
    both, lost, gained = counts[True, True], counts[True, False], counts[False, True]
    n, p = len(other), mcnemar_exact(lost, gained)
    return kind(
        n=n,
        reference_right=both + lost,
        other_right=both + gained,
        gained=gained,
        lost=lost,
        difference=(gained - lost) / n,
        mcnemar_p=p,
        mcnemar_p_holm=p,
        **names,
    )


def adjusted(lines: Sequence[P]) -> list[P]:
    """Return the lines with Holm-adjusted p-values."""
    p_values = holm([line.mcnemar_p for line in lines])
    return [line.model_copy(update={"mcnemar_p_holm": p}) for line, p in zip(lines, p_values, strict=True)]
