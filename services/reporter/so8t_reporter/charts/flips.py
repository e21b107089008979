"""Rows that B gained and lost against A, by class, in the headline's setting."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from so8t_reporter.charts.style import NARROW_WIDTH, Theme, heading, value_grid
from so8t_reporter.inputs import Names, ReportInputs
from so8t_shared.labels import LABELS
from so8t_shared.results.comparison import Comparison


@dataclass(frozen=True)
class ClassFlips:
    """Rows of one class on which A and B differ."""

    label: str
    gained: int
    """B right, A wrong."""
    lost: int
    """A right, B wrong."""
    other: int
    """Both wrong, in different ways."""


def flips_by_class(comparison: Comparison) -> list[ClassFlips]:
    """Return the flips totaled per class, in label order."""
    totals = {label: [0, 0, 0] for label in LABELS}
    for flip in comparison.flips:
        kind = 0 if flip.b == flip.gold else 1 if flip.a == flip.gold else 2
        totals[flip.gold][kind] += flip.count
    return [ClassFlips(label, *counts) for label, counts in totals.items()]


def draw(inputs: ReportInputs, _names: Names, theme: Theme) -> Figure:
    """Draw bars to the right for rows gained and to the left for rows lost."""
    evaluation = inputs.evaluation
    comparison = evaluation.headline
    classes = flips_by_class(comparison)
    figure = Figure(figsize=(NARROW_WIDTH, 4.6) if theme.narrow else (11, 4.3))
    axes = figure.add_axes((0.25, 0.1, 0.7, 0.58) if theme.narrow else (0.115, 0.12, 0.86, 0.62))
    reach = max(max(c.gained for c in classes), max(c.lost for c in classes), 1)
    for place, flips in enumerate(classes):
        axes.barh(place, flips.gained, 0.56, color=theme.side("b"))
        axes.barh(place, -flips.lost, 0.56, color=theme.side("a"))
        _label(axes, theme, flips.gained, place, f"+{flips.gained:,}")
        _label(axes, theme, -flips.lost, place, f"-{flips.lost:,}")
    axes.axvline(0, color=theme.ink, lw=1)
    axes.set_yticks(range(len(classes)), [c.label for c in classes])
    axes.tick_params(axis="y", labelcolor=theme.ink)
    axes.set_ylim(len(classes) - 0.45, -0.55)
    most_lost = max(c.lost for c in classes)
    axes.set_xlim(-most_lost - 0.13 * reach, max(c.gained for c in classes) + 0.13 * reach)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):,.0f}")
    value_grid(axes, "x")
    axes.spines["left"].set_visible(False)
    other = sum(c.other for c in classes)
    heading(
        figure,
        theme,
        f"What B gained and lost: {comparison.only_b_right:,} rows gained, {comparison.only_a_right:,} lost",
        f"{evaluation.primary_quantization}, {evaluation.primary_scoring} scoring; orange: only B right,"
        f" blue: only A right; both wrong in different ways: {other:,}",
    )
    return figure


def _label(axes: Axes, theme: Theme, x: float, y: float, text: str) -> None:
    right = text.startswith("+")
    axes.annotate(
        text, (x, y), xytext=(6 if right else -6, 0), textcoords="offset points", va="center",
        ha="left" if right else "right", fontsize=9.5, color=theme.ink if x else theme.muted,
    )  # fmt: skip
