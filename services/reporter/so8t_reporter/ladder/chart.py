"""The picture of a ladder: one line per rung, with its difference from the rung before beside what explains it."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from so8t_reporter.charts.style import NARROW_HEADING, NARROW_WIDTH, Theme, aside, heading, panels, value_grid
from so8t_shared.results.ladder import Handover, Ladder, LadderResult

_ROW = 0.42
"""Inches per rung."""
_LEAST = 1e-6
"""Left end of the axis, nats; equal figures lie there."""


def draw(result: LadderResult, theme: Theme) -> Figure:
    """Draw a panel for each model."""
    ladders = result.ladders
    rows = sum(max(3, len(each.rungs)) for each in ladders) * _ROW
    width = NARROW_WIDTH if theme.narrow else 9.0
    tall = NARROW_HEADING + rows + 0.95 * len(ladders) + 0.6
    figure = Figure(figsize=(width, tall))
    wide: dict[str, Any] = {
        "nrows": len(ladders), "ncols": 1, "left": 0.24, "right": 0.97, "top": 1 - 1.2 / tall, "bottom": 0.55 / tall,
        "hspace": 0.5,
    }  # fmt: skip
    drawn = panels(figure, theme, wide, len(ladders), above=NARROW_HEADING, left=0.38)
    for axes, ladder in zip(drawn, ladders, strict=True):
        _panel(axes, ladder, theme)
    lost = next((each for each in ladders if each.lost_at), None)
    at = next((rung.title for rung in lost.rungs if rung.name == lost.lost_at), "") if lost else ""
    heading(
        figure,
        theme,
        f"Lost at {at}" if lost else "No hand-over lost anything",
        "Mean difference of a label's log-probability from the rung before, nats; a ring marks what is explained",
    )
    return figure


def _panel(axes: Axes, ladder: Ladder, theme: Theme) -> None:
    handovers = {one.after: one for one in ladder.handovers}
    for y, rung in enumerate(ladder.rungs):
        if one := handovers.get(rung.title):
            _line(axes, theme, y, one)
    axes.set_xscale("log")
    axes.set_xlim(_LEAST, 30)
    axes.set_ylim(len(ladder.rungs) - 0.4, -0.6)
    axes.set_yticks(range(len(ladder.rungs)), [rung.title for rung in ladder.rungs])
    axes.tick_params(axis="y", labelcolor=theme.ink)
    axes.set_title(ladder.name)
    aside(axes, theme, "left is better")
    value_grid(axes, "x")
    axes.spines["left"].set_visible(False)


def _line(axes: Axes, theme: Theme, y: int, one: Handover) -> None:
    color = theme.side("b") if one.names_a_loss else theme.side("a")
    found = max(_LEAST, one.difference.logprob_mean or 0.0)
    axes.plot([_LEAST, found], [y, y], color=color, lw=2.2)
    axes.plot(found, y, "o", color=color, ms=7.5)
    if one.explained and one.explained.logprob_mean:
        axes.plot(one.explained.logprob_mean, y, "o", mfc="none", mec=theme.muted, ms=9.5, mew=1.4)
    text = f"{one.difference.flipped} of {one.rows} flipped"
    axes.annotate(
        text, (found, y), xytext=(8, 0), textcoords="offset points", va="center", fontsize=8.5, color=theme.muted
    )
