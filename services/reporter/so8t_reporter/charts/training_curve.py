"""The course of training: loss with its smoothed curve, learning rate, and PET penalty."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from so8t_reporter.charts.style import NARROW_WIDTH, Theme, aside, heading, value_grid
from so8t_reporter.inputs import Names, ReportInputs
from so8t_shared.results.training import TrainingPoint

SMOOTHING_SHARE = 0.1
"""Width of the smoothing window as a share of all steps; at least three steps."""


def draw(inputs: ReportInputs, _names: Names, theme: Theme) -> Figure:
    """Draw three stacked panels over the optimizer steps; needs at least one step."""
    points = inputs.points
    figure = Figure(figsize=(NARROW_WIDTH, 7.2) if theme.narrow else (11, 6.6))
    left, top = (0.16, 0.8) if theme.narrow else (0.075, 0.83)
    grid = figure.add_gridspec(
        3, 1, left=left, right=0.975, top=top, bottom=0.085, hspace=0.42, height_ratios=(2.3, 1, 1)
    )
    loss = figure.add_subplot(grid[0])
    rate = figure.add_subplot(grid[1], sharex=loss)
    pet = figure.add_subplot(grid[2], sharex=loss)
    _loss(loss, points, theme)
    _line(rate, theme, points, lambda p: p.learning_rate, "Learning rate")
    _pet(pet, points, theme)
    for upper in (loss, rate):
        upper.tick_params(axis="x", labelbottom=False)
    pet.set_xlabel("optimizer step")
    training = inputs.training
    heading(
        figure,
        theme,
        f"Training of B: {training.method}, {training.steps:,} steps",
        f"{training.rows:,} training rows, {training.gates:,} SO8T gates, {training.dtype} on {training.device}",
    )
    return figure


def smoothed(values: list[float]) -> NDArray[np.float64]:
    """Return the centered moving average over a tenth of the steps; the window shrinks at both ends to avoid a lag."""
    reach = max(1, round(len(values) * SMOOTHING_SHARE / 2))
    reaches = [min(reach, i, len(values) - 1 - i) for i in range(len(values))]
    return np.array([np.mean(values[i - r : i + r + 1]) for i, r in enumerate(reaches)])


def _steps(points: list[TrainingPoint]) -> list[int]:
    return [p.step for p in points]


def _loss(axes: Axes, points: list[TrainingPoint], theme: Theme) -> None:
    losses = [p.loss for p in points]
    course = smoothed(losses)
    axes.plot(_steps(points), losses, color=theme.neutral, lw=1, alpha=0.75)
    axes.plot(_steps(points), course, color=theme.side("b"), lw=2.6)
    axes.set_title("Loss, nats per completion token")
    aside(axes, theme, "gray: each step, orange: smoothed")
    axes.set_ylim(0, max(losses) * 1.12 or 1)
    for index, align in ((0, "left"), (-1, "right")):
        axes.annotate(
            f"{course[index]:.3g}", (points[index].step, float(course[index])), xytext=(0, 11),
            textcoords="offset points", ha=align, fontsize=9, fontweight="bold", color=theme.ink,
        )  # fmt: skip
    _plain(axes, theme)


def _line(
    axes: Axes, theme: Theme, points: list[TrainingPoint], value: Callable[[TrainingPoint], float], title: str
) -> None:
    axes.plot(_steps(points), [value(p) for p in points], color=theme.side("b"), lw=1.8)
    axes.set_title(title)
    axes.set_ylim(0, 1.2 * max(value(p) for p in points) or 1)
    axes.locator_params(axis="y", nbins=3)
    axes.yaxis.set_major_formatter(lambda tick, _: f"{tick:g}")
    _plain(axes, theme)


def _pet(axes: Axes, points: list[TrainingPoint], theme: Theme) -> None:
    _line(axes, theme, points, lambda p: p.pet, "PET penalty, before weighting")
    starts = [i for i, p in enumerate(points) if i == 0 or p.pet_lambda != points[i - 1].pet_lambda]
    for i in starts:
        if i:
            axes.axvline(points[i].step, color=theme.neutral, lw=1, ls=(0, (2, 3)))
        axes.annotate(
            f"λ = {points[i].pet_lambda:g}", (points[i].step, 0), xycoords=("data", "axes fraction"),
            xytext=(5, 5), textcoords="offset points", fontsize=8.5, color=theme.muted,
        )  # fmt: skip


def _plain(axes: Axes, theme: Theme) -> None:
    value_grid(axes, "y")
    axes.tick_params(axis="x", labelcolor=theme.muted)
    axes.margins(x=0.01)
