"""Confusion matrices."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from tests.unit.reporter.charts.drawn import draw, texts

from so8t_reporter.charts import confusion
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
