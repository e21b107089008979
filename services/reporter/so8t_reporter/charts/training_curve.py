"""The course of training: losses in training and validation, the decision's against chance, learning rate, and PET."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from so8t_reporter.charts.style import NARROW_WIDTH, Theme, aside, heading, value_grid
from so8t_reporter.inputs import Names, ReportInputs
from so8t_shared.labels import CHANCE_NATS
from so8t_shared.results.training import TrainingPoint, Validation

SMOOTHING_SHARE = 0.1
"""Width of the smoothing window as a share of all steps; at least three steps."""


def draw(inputs: ReportInputs, _names: Names, theme: Theme) -> Figure:
    """Draw stacked panels over the optimizer steps; needs at least one step."""
    points, training = inputs.points, inputs.training
    assert training is not None  # the catalog has no curve without a training
    best = training.best_step if training.validation_rows else None
    decides = any(p.decision_loss is not None for p in points)
    heights = (2.3, 1.7, 1, 1) if decides else (2.3, 1, 1)
    figure = Figure(figsize=(NARROW_WIDTH, 9.0) if theme.narrow else (11, 8.4))
    left, top = (0.16, 0.84) if theme.narrow else (0.075, 0.865)
    grid = figure.add_gridspec(
        len(heights), 1, left=left, right=0.975, top=top, bottom=0.07, hspace=0.42, height_ratios=heights
    )
    loss = figure.add_subplot(grid[0])
    loss, *others = [loss, *(figure.add_subplot(grid[i], sharex=loss) for i in range(1, len(heights)))]
    _losses(loss, theme, "Loss, nats per completion token", points, lambda p: p.loss, lambda v: v.loss, best)
    if decides:
        title = "Decision loss, nats per row"
        _losses(others[0], theme, title, points, lambda p: p.decision_loss, lambda v: v.decision_loss, best)
        _chance(others[0], theme)
    rate, pet = others[-2:]
    _line(rate, theme, points, lambda p: p.learning_rate, "Learning rate")
    _pet(pet, points, theme)
    for upper in (loss, *others[:-1]):
        upper.tick_params(axis="x", labelbottom=False)
    pet.set_xlabel("optimizer step")
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


def _losses(
    axes: Axes,
    theme: Theme,
    title: str,
    points: list[TrainingPoint],
    value: Callable[[TrainingPoint], float | None],
    validated: Callable[[Validation], float],
    best: int | None,
) -> None:
    """Draw a loss at each step and smoothed, the same loss in validation, and the step of the best validation."""
    steps, losses = _known(points, value)
    course = smoothed(losses)
    axes.plot(steps, losses, color=theme.neutral, lw=1, alpha=0.75)
    axes.plot(steps, course, color=theme.side("b"), lw=2.6)
    axes.set_title(title)
    checked, found = _known(points, lambda p: validated(p.validation) if p.validation else None)
    note = "gray: each step, orange: smoothed"
    if found:
        axes.plot(checked, found, color=theme.ink, lw=1.6, marker="o", ms=3.5)
        note += ", black: validation" if theme.name == "light" else ", white: validation"
    if best is not None:
        axes.axvline(best, color=theme.ink, lw=1, ls=(0, (1, 2)))
        _label(axes, theme, "best", (best, 1), ("data", "axes fraction"), (4, -10))
    aside(axes, theme, note)
    axes.set_ylim(0, max([*losses, *found]) * 1.12 or 1)
    for index, align in ((0, "left"), (-1, "right")):
        axes.annotate(
            f"{course[index]:.3g}", (steps[index], float(course[index])), xytext=(0, 11),
            textcoords="offset points", ha=align, fontsize=9, fontweight="bold", color=theme.ink,
        )  # fmt: skip
    _plain(axes, theme)


def _known(
    points: list[TrainingPoint], value: Callable[[TrainingPoint], float | None]
) -> tuple[list[int], list[float]]:
    """Return the steps that have the value, and the values."""
    found = [(p.step, known) for p in points if (known := value(p)) is not None]
    return [step for step, _ in found], [known for _, known in found]


def _chance(axes: Axes, theme: Theme) -> None:
    axes.axhline(CHANCE_NATS, color=theme.muted, lw=1.2, ls=(0, (5, 3)))
    axes.set_ylim(0, max(axes.get_ylim()[1], 1.2 * CHANCE_NATS))
    _label(
        axes,
        theme,
        f"chance, ln 4 = {CHANCE_NATS:.2f}",
        (0, CHANCE_NATS),
        ("axes fraction", "data"),
        (3, -11),  # below its line at the left, where the losses begin above it
        align="left",
    )


def _label(
    axes: Axes,
    theme: Theme,
    text: str,
    place: tuple[float, float],
    coordinates: tuple[str, str],
    offset: tuple[int, int],
    align: str = "left",
) -> None:
    axes.annotate(
        text, place, xycoords=coordinates, xytext=offset, textcoords="offset points", ha=align, fontsize=8.5,
        color=theme.muted,
    )  # fmt: skip


def _line(
    axes: Axes, theme: Theme, points: list[TrainingPoint], value: Callable[[TrainingPoint], float], title: str
) -> None:
    axes.plot([p.step for p in points], [value(p) for p in points], color=theme.side("b"), lw=1.8)
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
        _label(axes, theme, f"λ = {points[i].pet_lambda:g}", (points[i].step, 0), ("data", "axes fraction"), (5, 5))


def _plain(axes: Axes, theme: Theme) -> None:
    value_grid(axes, "y")
    axes.tick_params(axis="x", labelcolor=theme.muted)
    axes.margins(x=0.01)
