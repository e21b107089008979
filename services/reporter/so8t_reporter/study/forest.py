"""The forest plot of a study: every arm against A, with its interval and a dot per seed."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from so8t_reporter.charts.style import (
    NARROW_HEADING,
    NARROW_WIDTH,
    Theme,
    aside,
    heading,
    panels,
    shortened,
    value_grid,
)
from so8t_shared import formatting as fmt
from so8t_shared.results.study import FINDINGS, Contrast, Finding, StudyResult
from so8t_shared.tables import metrics

_ROW = 0.42
"""Inches per arm."""
_NAME_LENGTH = {False: 26, True: 18}
_ABOVE = 0.3
"""Inches between the heading of a narrow figure and its first panel."""
_OFFSET = 0.2
"""Of the seeds' dots, below their interval, in rows."""


def metrics_shown(result: StudyResult) -> list[str]:
    """Return the figures that have a panel: accuracy, and false allow where the test can show it."""
    found = {c.metric for c in result.contrasts}
    return [name for name in ("accuracy", "false_allow") if name in found]


def draw(result: StudyResult, theme: Theme, title: str) -> Figure:
    """Draw a panel for each figure, one row per arm."""
    shown, arms = metrics_shown(result), [arm.name for arm in result.arms]
    count, rows = len(shown), max(3, len(arms)) * _ROW
    tall = NARROW_HEADING + _ABOVE + count * rows + 0.95 * (count - 1) + 0.55 if theme.narrow else rows + 1.85
    figure = Figure(figsize=(NARROW_WIDTH, tall) if theme.narrow else (11, tall))
    longest = max(len(shortened(name, _NAME_LENGTH[theme.narrow])) for name in arms)
    wide = {
        "nrows": 1, "ncols": count, "left": 0.03 + 0.0075 * longest, "right": 0.975, "top": 1 - 1.2 / tall,
        "bottom": 0.5 / tall, "wspace": 0.12,
    }  # fmt: skip
    left = 0.05 + 0.018 * longest
    drawn = panels(figure, theme, wide, count, above=NARROW_HEADING + _ABOVE, left=left)
    for place, (axes, metric) in enumerate(zip(drawn, shown, strict=True)):
        _panel(axes, result, metric, theme, named=theme.narrow or place == 0)
    heading(
        figure,
        theme,
        title,
        f"{result.rows:,} test rows; bars are {100 * result.confidence:g}% intervals over new seeds and rows,"
        " small dots single seeds",
    )
    return figure


def _panel(axes: Axes, result: StudyResult, metric: str, theme: Theme, *, named: bool) -> None:
    names = [arm.name for arm in result.arms]
    for y, name in enumerate(names):
        contrast = result.against_a(name, metric)
        if contrast is None or (contrast.difference is None and not contrast.by_seed):
            _written(axes, theme, y, "no complete session")
        else:
            _line(axes, theme, y, contrast)
    axes.axvline(0, color=theme.ink, lw=1)
    reach = max(5.0, *(abs(x) for x in axes.get_xlim()))
    low, high = (max(-100.0, axes.get_xlim()[0]), min(100.0, axes.get_xlim()[1]))
    axes.set_xlim(min(low, -0.1 * reach) - 0.03 * reach, max(high, 0.1 * reach) + 0.03 * reach)
    axes.set_ylim(len(names) - 0.35, -0.6)
    limit = _NAME_LENGTH[theme.narrow]
    labels = [shortened(name, limit) or f"arm {place + 1}" for place, name in enumerate(names)]
    axes.set_yticks(range(len(names)), labels if named else [""] * len(names))
    axes.tick_params(axis="y", labelcolor=theme.ink)
    axes.set_title(f"{metrics.BY_NAME[metric].title}, arm - A, points")
    aside(axes, theme, "right is better" if metrics.BY_NAME[metric].better == "higher" else "left is better")
    value_grid(axes, "x")
    axes.spines["left"].set_visible(False)


def _line(axes: Axes, theme: Theme, y: int, contrast: Contrast) -> None:
    color = {Finding.BETTER: theme.side("b"), Finding.WORSE: theme.side("a")}.get(contrast.finding, theme.neutral)
    seeds = [100 * value for value in contrast.by_seed] if contrast.over == "seeds" else []
    axes.plot(seeds, [y + _OFFSET] * len(seeds), "o", color=theme.muted, ms=3.6, alpha=0.8, mew=0)
    d = contrast.difference
    if d is None:
        _written(axes, theme, y, FINDINGS[contrast.finding])
        return
    axes.plot([100 * d.low, 100 * d.high], [y, y], color=color, lw=2.2)
    marker = "o" if contrast.over == "seeds" else "s"
    axes.plot(100 * d.value, y, marker, color=color, mec=color, ms=7.5)
    axes.annotate(
        fmt.points(d.value), (100 * d.value, y), xytext=(0, 6), textcoords="offset points",
        ha="center", va="bottom", fontsize=8.5, color=theme.ink, bbox=_backed(theme),
    )  # fmt: skip


def _written(axes: Axes, theme: Theme, y: int, text: str) -> None:
    axes.annotate(
        text, (0, y), xytext=(8, 0), textcoords="offset points", va="center", fontsize=8.5, color=theme.muted,
        bbox=_backed(theme),
    )  # fmt: skip


def _backed(theme: Theme) -> dict[str, Any]:
    """A box in the background color, so that no line crosses a figure."""
    return {"facecolor": theme.background, "edgecolor": "none", "pad": 0.5}
