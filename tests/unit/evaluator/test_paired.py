"""Counts of the same rows answered twice."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from tests.messages import Said
from tests.unit.evaluator.material import make_samples

from so8t_evaluator.paired import Marks, adjusted, by_setting, marks_of, pair
from so8t_shared.labels import LABELS
from so8t_shared.results.paired import Paired


def _marks(right: list[bool]) -> Marks:
    n = len(right)
    return Marks([str(i) for i in range(n)], np.array(right, np.bool_), np.arange(n))


def test_by_setting() -> None:
    """Answers fall apart by model, quantization and scoring, and keep the order of the rows."""
    samples = make_samples(["ALLOW", "DENY"], ["ALLOW", "INVALID"])
    samples += make_samples(["ALLOW", "DENY"], ["DENY", "DENY"], model="b", quantization="f16")
    found = by_setting(samples)
    assert found == {("a", "q4_k_m", "generate"): (*samples[:2],), ("b", "f16", "generate"): (*samples[2:],)}
    marks = marks_of(found["a", "q4_k_m", "generate"])
    assert (marks.rows, marks.right.tolist()) == (["0", "1"], [True, False])
    assert marks.among(np.array([False, True])).rows == ["1"]


def test_against_statsmodels() -> None:
    """Counts add up, and the p is statsmodels' exact McNemar test of the same table."""
    rng = np.random.default_rng(4)
    for skill in (0.2, 0.5, 0.9):
        reference = [bool(x) for x in rng.random(80) < 0.5]
        other = [bool(x) for x in rng.random(80) < skill]
        line = pair(Paired, _marks(reference), _marks(other), "exact")
        assert (line.n, line.reference_right, line.other_right) == (80, sum(reference), sum(other))
        assert line.other_right - line.reference_right == line.gained - line.lost
        assert line.difference == pytest.approx(np.mean(other) - np.mean(reference))
        table = [[line.reference_right - line.lost, line.lost], [line.gained, 80 - line.other_right - line.lost]]
        assert line.p_value == pytest.approx(mcnemar(table, exact=True).pvalue, rel=1e-9)


def test_adjusted() -> None:
    """p-values of a table are adjusted over its lines, as statsmodels does it; nothing else changes."""
    lines = [
        pair(Paired, _marks([False] * gained + [True] * 20), _marks([True] * (gained + 20)), "exact")
        for gained in (3, 6, 9, 12)
    ]
    found = adjusted(lines)
    expected = multipletests([line.p_value for line in lines], method="holm")[1]
    assert [line.p_adjusted for line in found] == pytest.approx(list(expected))
    assert [line.model_copy(update={"p_adjusted": line.p_value}) for line in found] == lines
    assert adjusted([]) == []


def test_different_rows_are_refused(said: Said) -> None:
    """Another order, another row or no row is no paired test."""
    marks, none = _marks([True] * len(LABELS)), _marks([])
    for other in (Marks(marks.rows[::-1], marks.right, marks.groups), marks.among(marks.groups > 0), none):
        with said.raised(ValueError):
            pair(Paired, marks, other, "exact")
    with said.raised(ValueError):
        pair(Paired, none, none, "exact")


def test_groups_and_kind() -> None:
    """Eight gained rows are eight fair tosses, or four where they come in pairs; the mid-p halves the last one."""
    before, after = _marks([False] * 8 + [True] * 24), _marks([True] * 32)
    assert pair(Paired, before, after, "exact").p_value == pytest.approx(2 / 2**8)
    assert pair(Paired, before, after, "mid_p").p_value == pytest.approx(1 / 2**8)
    twos = Marks(after.rows, after.right, after.groups // 2)
    assert pair(Paired, before, twos, "exact").p_value == pytest.approx(2 / 2**4)
