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
    raw, smooth, *_ = panel(figure, "Loss").lines
    assert list(raw.get_ydata()) == [p.loss for p in points]  # type: ignore[arg-type]
    assert list(raw.get_xdata()) == [p.step for p in points]  # type: ignore[arg-type]
    assert np.allclose(smooth.get_ydata(), smoothed([p.loss for p in points]))  # type: ignore[arg-type]
    assert list(panel(figure, "Learning rate").lines[0].get_ydata()) == [p.learning_rate for p in points]  # type: ignore[arg-type]
    assert list(panel(figure, "PET").lines[0].get_ydata()) == [p.pet for p in points]  # type: ignore[arg-type]


def test_validation_and_chance_stand_beside_the_training(inputs: ReportInputs) -> None:
    """Both losses of the validation rows, the line of chance, and the step of the best validation in both panels."""
    figure = draw(training_curve.draw, inputs)
    checked = [p for p in inputs.points if p.validation]
    for title, name in (("Loss", "loss"), ("Decision", "decision_loss")):
        raw, _, validation, best, *_ = panel(figure, title).lines
        assert list(raw.get_ydata()) == [getattr(p, name) for p in inputs.points]  # type: ignore[arg-type]
        assert list(validation.get_xdata()) == [p.step for p in checked]  # type: ignore[arg-type]
        assert list(validation.get_ydata()) == [getattr(p.validation, name) for p in checked]  # type: ignore[arg-type]
        assert best.get_xdata()[0] == inputs.training.best_step == 42  # type: ignore[index]
        assert "best" in texts(panel(figure, title))
    chance = panel(figure, "Decision").lines[-1]
    assert chance.get_ydata()[0] == pytest.approx(np.log(4))  # type: ignore[index]
    assert panel(figure, "Decision").get_ylim()[1] > np.log(4)


def test_a_training_without_validation_draws_as_before(inputs: ReportInputs) -> None:
    """No panel for the decision, no mark."""
    old = [p.model_copy(update={"decision_loss": None, "validation": None}) for p in inputs.points]
    training = inputs.training.model_copy(update={"validation_rows": 0})
    figure = draw(training_curve.draw, replace(inputs, points=old, training=training))
    assert len(figure.axes) == 3
    assert len(panel(figure, "Loss").lines) == 2


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
    raw, *_ = panel(draw(training_curve.draw, few), "Loss").lines
    assert len(raw.get_xdata()) == steps  # type: ignore[arg-type]


def test_constant_zero_draws(inputs: ReportInputs) -> None:
    """A penalty that is 0 throughout, or a rate of 0, has an axis all the same."""
    zero = [
        p.model_copy(update={"pet": 0.0, "learning_rate": 0.0, "loss": 0.0, "validation": None}) for p in inputs.points
    ]
    figure = draw(training_curve.draw, replace(inputs, points=zero))
    assert [panel(figure, title).get_ylim() for title in ("Loss", "Learning", "PET")] == [(0.0, 1.0)] * 3


def test_smoothing() -> None:
    """A straight line stays what it is, a constant as well, and a jolt is spread evenly around its place."""
    assert np.allclose(smoothed([float(i) for i in range(40)]), range(40))
    assert np.allclose(smoothed([2.0] * 7), 2.0)
    jolt = smoothed([0.0] * 20 + [5.0] + [0.0] * 20)
    assert np.allclose(jolt[18:23], 1.0)
    assert jolt.sum() == pytest.approx(5.0)
