"""Error bars reach from the estimate to both ends of its interval."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import pytest
from tests.unit.reporter.charts.drawn import draw

from so8t_reporter.charts import metrics_comparison, tradeoff
from so8t_reporter.charts.error_bars import arms
from so8t_reporter.inputs import ReportInputs
from so8t_shared.results.interval import Interval

NONE_RIGHT = Interval(value=0.0, low=7e-18, high=0.138)
ALL_RIGHT = Interval(value=1.0, low=0.862, high=1 - 1e-16)
"""Ends that rounding put beside the estimate, as they stand in files of earlier evaluations."""


def test_arms() -> None:
    """The distances to both ends, an end on the wrong side being none."""
    below, above = arms([Interval(value=0.5, low=0.25, high=0.625), NONE_RIGHT, ALL_RIGHT])
    assert below == [0.25, 0.0, pytest.approx(0.138)]
    assert above == [0.125, 0.138, 0.0]


@pytest.mark.parametrize("chart", [metrics_comparison, tradeoff], ids=["metrics_comparison", "tradeoff"])
@pytest.mark.parametrize("accuracy", [NONE_RIGHT, ALL_RIGHT], ids=["0%", "100%"])
def test_all_or_none_right(inputs: ReportInputs, chart: ModuleType, accuracy: Interval) -> None:
    """A model that got every row right, or none, is drawn like any other."""
    qualities = [quality.model_copy(update={"accuracy": accuracy}) for quality in inputs.evaluation.cells]
    draw(chart.draw, replace(inputs, evaluation=inputs.evaluation.model_copy(update={"cells": qualities})))
