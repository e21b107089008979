"""Confusion matrices."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from tests.unit.reporter.charts.drawn import draw, texts

from so8t_reporter.charts import confusion
from so8t_reporter.charts.catalog import charts_of
from so8t_reporter.charts.lookup import quality_of
from so8t_reporter.inputs import ReportInputs
from so8t_shared.tables.scorings import Scoring


@pytest.mark.parametrize("scoring", ["generate", "constrained"])
def test_counts_and_shares(inputs: ReportInputs, scoring: Scoring) -> None:
    """Every count is written, row by row, and the color is the share of its row."""
    figure = draw(partial(confusion.draw, scoring=scoring), inputs)
    for axes, side in zip(figure.axes, ("a", "b"), strict=True):
        quality = quality_of(inputs.evaluation, side, "q4_k_m", scoring)  # type: ignore[arg-type]
        assert quality is not None
        counts = [t.get_text() for t in axes.texts if "%" not in t.get_text()]
        assert counts == [str(n) for row in quality.confusion for n in row]
        table = np.array(quality.confusion)
        assert np.allclose(axes.images[0].get_array(), table / table.sum(axis=1, keepdims=True))  # type: ignore[arg-type]
        assert any(f"accuracy {100 * quality.accuracy.value:.1f}%" in text for text in texts(axes))


def test_unread_answers_are_no_accuracy(inputs: ReportInputs) -> None:
    """Below the matrix and in the alternative text stands how many could be read, and no share of right answers."""
    e = inputs.evaluation
    cells = [c.model_copy(update={"invalid": c.n - 1}) if c.model == "a" else c for c in e.cells]
    unread = replace(inputs, evaluation=e.model_copy(update={"cells": cells}))
    figure = draw(partial(confusion.draw, scoring="generate"), unread)
    assert f"a class could be read from 1 of {cells[0].n} answers" in texts(figure.axes[0])
    assert not any("accuracy" in text for text in texts(figure.axes[0]))
    (alt,) = (chart.alt for chart in charts_of(unread) if chart.name == "confusion_generate")
    assert f"A read from 1 of {cells[0].n} answers, B " in alt


def test_class_without_rows(sparse: ReportInputs) -> None:
    """A class without a row has no share, and says so."""
    figure = draw(partial(confusion.draw, scoring="generate"), sparse)
    assert "DENY\nno rows" in texts(figure.axes[0])
    assert np.array_equal(figure.axes[0].images[0].get_array()[2], [0] * 5)  # type: ignore[index]


def test_side_not_measured(inputs: ReportInputs) -> None:
    """A missing quality is named instead of an empty matrix."""
    qualities = [c for c in inputs.evaluation.cells if c.model == "b"]
    evaluation = inputs.evaluation.model_copy(update={"cells": qualities})
    figure = draw(partial(confusion.draw, scoring="generate"), replace(inputs, evaluation=evaluation))
    assert "not measured" in texts(figure.axes[0])
    assert "not measured" not in texts(figure.axes[1])
