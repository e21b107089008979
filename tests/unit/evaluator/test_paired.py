"""Counts of the same rows answered twice."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from tests.messages import Said
from tests.unit.evaluator.material import make_samples

from so8t_evaluator.paired import Marks, adjusted, marks_of, pair
from so8t_shared.labels import LABELS
from so8t_shared.results.paired import Paired


def _marks(right: list[bool]) -> Marks:
    return [(str(i), r) for i, r in enumerate(right)]


def test_marks_of() -> None:
    """Answers fall apart by model, quantization and scoring, and keep the order of the rows."""
    samples = make_samples(["ALLOW", "DENY"], ["ALLOW", "INVALID"])
    samples += make_samples(["ALLOW", "DENY"], ["DENY", "DENY"], model="b", quantization="f16")
    assert marks_of(samples) == {
        ("a", "q4_k_m", "generate"): [("0", True), ("1", False)],
        ("b", "f16", "generate"): [("0", False), ("1", True)],
    }


def test_against_statsmodels() -> None:
    """Counts add up, and the p is statsmodels' exact McNemar test of the same table."""
    rng = np.random.default_rng(4)
    for skill in (0.2, 0.5, 0.9):
        reference = [bool(x) for x in rng.random(80) < 0.5]
        other = [bool(x) for x in rng.random(80) < skill]
        line = pair(Paired, _marks(reference), _marks(other))
        assert (line.n, line.reference_right, line.other_right) == (80, sum(reference), sum(other))
        assert line.other_right - line.reference_right == line.gained - line.lost
        assert line.difference == pytest.approx(np.mean(other) - np.mean(reference))
        table = [[line.reference_right - line.lost, line.lost], [line.gained, 80 - line.other_right - line.lost]]
        assert line.mcnemar_p == pytest.approx(mcnemar(table, exact=True).pvalue, rel=1e-9)


def test_adjusted() -> None:
    """p-values of a table are adjusted over its lines, as statsmodels does it; nothing else changes."""
    lines = [
        pair(Paired, _marks([False] * gained + [True] * 20), _marks([True] * (gained + 20))) for gained in (3, 6, 9, 12)
    ]
    found = adjusted(lines)
    expected = multipletests([line.mcnemar_p for line in lines], method="holm")[1]
    assert [line.mcnemar_p_holm for line in found] == pytest.approx(list(expected))
    assert [line.model_copy(update={"mcnemar_p_holm": line.mcnemar_p}) for line in found] == lines
    assert adjusted([]) == []


def test_different_rows_are_refused(said: Said) -> None:
    """Another order, another row or no row is no paired test."""
    marks = _marks([True] * len(LABELS))
    for other in (marks[::-1], marks[1:], []):
        with said.raised(ValueError):
            pair(Paired, marks, other)
    with said.raised(ValueError):
        pair(Paired, [], [])
