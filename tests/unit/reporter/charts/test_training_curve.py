"""The training curve."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.reporter.builders_upstream import training_points
from tests.unit.reporter.charts.drawn import draw, panel, texts

from so8t_reporter.charts import training_curve
from so8t_reporter.charts.training_curve import smoothed
from so8t_reporter.inputs import ReportInputs


def test_lines_are_the_measurements(inputs: ReportInputs) -> None:
    """Loss raw and smoothed, learning rate and penalty are drawn as they were recorded."""
    figure = draw(training_curve.draw, inputs)
    points = inputs.points
    raw, smooth = panel(figure, "Loss").lines
    assert list(raw.get_ydata()) == [p.loss for p in points]  # type: ignore[arg-type]
    assert list(raw.get_xdata()) == [p.step for p in points]  # type: ignore[arg-type]
    assert np.allclose(smooth.get_ydata(), smoothed([p.loss for p in points]))  # type: ignore[arg-type]
    assert list(panel(figure, "Learning rate").lines[0].get_ydata()) == [p.learning_rate for p in points]  # type: ignore[arg-type]
    assert list(panel(figure, "PET").lines[0].get_ydata()) == [p.pet for p in points]  # type: ignore[arg-type]


def test_penalty_phases_are_marked(inputs: ReportInputs) -> None:
    """Each weight of the penalty is written where it begins."""
    axes = panel(draw(training_curve.draw, inputs), "PET")
    assert [text for text in texts(axes) if text.startswith("λ")] == ["λ = 0.01", "λ = 0.05", "λ = 0.1"]
    starts = [line.get_xdata()[0] for line in axes.lines[1:]]  # type: ignore[index]
    assert starts == [13, 37]


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_few_steps(inputs: ReportInputs, steps: int) -> None:
    """A single step draws as well as many."""
    few = replace(inputs, points=training_points(steps))
    raw, _ = panel(draw(training_curve.draw, few), "Loss").lines
    assert len(raw.get_xdata()) == steps  # type: ignore[arg-type]


def test_constant_zero_draws(inputs: ReportInputs) -> None:
    """A penalty that is 0 throughout, or a rate of 0, has an axis all the same."""
    zero = [p.model_copy(update={"pet": 0.0, "learning_rate": 0.0, "loss": 0.0}) for p in inputs.points]
    figure = draw(training_curve.draw, replace(inputs, points=zero))
    assert all(axes.get_ylim() == (0.0, 1.0) for axes in figure.axes)


def test_smoothing() -> None:
    """A straight line stays what it is, a constant as well, and a jolt is spread evenly around its place."""
    assert np.allclose(smoothed([float(i) for i in range(40)]), range(40))
    assert np.allclose(smoothed([2.0] * 7), 2.0)
    jolt = smoothed([0.0] * 20 + [5.0] + [0.0] * 20)
    assert np.allclose(jolt[18:23], 1.0)
    assert jolt.sum() == pytest.approx(5.0)
