"""Lines of the exploratory tables, counted anew from simulated answers with statsmodels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from so8t_shared.config.values import Quantization, Scoring
from so8t_shared.results.paired import BaselineComparison, QuantizationLoss, Slice
from so8t_shared.results.record import Side
from so8t_shared.results.training import TestRow

MOST_LINES = 20
CATEGORIES = (
    *("", "accounts", "medical records", "wages", "contracts", "keys and doors", "backups", "travel", "visitors"),
    *("suppliers", "meeting notes", "passwords", "cameras", "invoices", "complaints", "patents", "training data"),
    *("weapons", "drugs", "self-harm", "malware", "人事", "取引先の情報", "医療相談", "公開資料"),
)
"""Unequal in size, more than a table shows; one is not stated, some are Japanese."""


def category(i: int) -> str:
    """Of the i-th row: the k-th category has k + 1 rows in a row."""
    k = int(((8 * i + 1) ** 0.5 - 1) / 2)
    return CATEGORIES[k % len(CATEGORIES)]


def slices(rows: Sequence[TestRow], a: Sequence[str], b: Sequence[str]) -> list[Slice]:
    """By language and by category, the smallest gathered."""
    lines: list[Slice] = []
    kinds: tuple[Literal["language", "category"], ...] = ("language", "category")
    for by in kinds:
        values = [getattr(row, by) for row in rows]
        ranked = sorted(set(values), key=lambda value: (-Counter(values)[value], value))
        shown = ranked if len(ranked) <= MOST_LINES else ranked[: MOST_LINES - 1]
        rest = set(ranked) - set(shown)
        table = []
        for value in [*shown, *(["other"] if rest else [])]:
            members = {value} if value in shown else rest
            places = [i for i, v in enumerate(values) if v in members]
            right = [[answers[i] == rows[i].label for i in places] for answers in (a, b)]
            table.append(Slice(by=by, value=value, gathered=len(members), **_counts(*right)))
        lines += _adjusted(table) if len(table) > 1 else []
    return lines


def quantization_losses(
    gold: Sequence[str],
    answers: dict[tuple[Side, Quantization, Scoring], list[str]],
    quantizations: Sequence[Quantization],
    scorings: Sequence[Scoring],
) -> list[QuantizationLoss]:
    """Each of `quantizations` but the first against the first."""
    sides: tuple[Side, Side] = ("a", "b")
    lines = []
    for side in sides:
        for scoring in scorings:
            for quantization in quantizations[1:]:
                right = [
                    [x == g for x, g in zip(answers[side, q, scoring], gold, strict=True)]
                    for q in (quantizations[0], quantization)
                ]
                names = {"model": side, "scoring": scoring, "quantization": quantization}
                lines.append(QuantizationLoss(reference=quantizations[0], **names, **_counts(*right)))
    return _adjusted(lines)


def baseline_comparison(gold: Sequence[str], right: list[bool], answers: Sequence[str]) -> BaselineComparison:
    """Answers against a classifier that was right on these rows."""
    return BaselineComparison(**_counts(right, [x == g for x, g in zip(answers, gold, strict=True)]))


def _counts(reference: list[bool], other: list[bool]) -> dict[str, Any]:
    table = [[0, 0], [0, 0]]
    for x, y in zip(reference, other, strict=True):
        table[1 - x][1 - y] += 1
    p = mcnemar(table, exact=True).pvalue if table[0][1] + table[1][0] else 1.0
    return {
        "n": len(other), "reference_right": sum(reference), "other_right": sum(other),
        "gained": table[1][0], "lost": table[0][1], "difference": (sum(other) - sum(reference)) / len(other),
        "mcnemar_p": float(p), "mcnemar_p_holm": float(p),
    }  # fmt: skip


def _adjusted(lines: list[Any]) -> list[Any]:
    if lines:
        adjusted = multipletests([line.mcnemar_p for line in lines], method="holm")[1]
        for line, p in zip(lines, adjusted, strict=True):
            line.mcnemar_p_holm = float(p)
    return lines
