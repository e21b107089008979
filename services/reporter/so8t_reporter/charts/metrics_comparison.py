"""The main picture: accuracy, macro-F1 and latency of A and B, and the improvement of B over A."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from so8t_reporter.charts.error_bars import arms
from so8t_reporter.charts.lookup import (
    comparison_of,
    decided_quality_of,
    hosts_of,
    not_side_by_side,
    speed_of,
)
from so8t_reporter.charts.style import (
    NARROW_HEADING,
    NARROW_WIDTH,
    Theme,
    aside,
    aside_legend,
    heading,
    panels,
    shortened,
    text_on,
    value_grid,
)
from so8t_reporter.inputs import Names, ReportInputs
from so8t_reporter.summary import headline_with_figures
from so8t_shared import formatting as fmt
from so8t_shared.results.comparison import Comparison
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.sides import SIDES, Side
from so8t_shared.results.verdicts import WORDS, Verdict
from so8t_shared.tables.scorings import BY_NAME

_BAR = 0.36
_FITTING = 4
"""Quantizations whose figures fit side by side; each additional one makes the picture wider."""
_WIDER = 0.22
_HOST_LENGTH = 22
_DOTS = (0, (1.5, 2.5))
_ROOM_INSIDE = 0.08
"""Share of the highest latency below which a bar cannot hold its figure."""
_ROOM_BETWEEN = 0.12
"""Share of the highest latency below which two stacked figures would overlap."""


def draw(inputs: ReportInputs, names: Names, theme: Theme) -> Figure:
    """Draw a two-by-two grid of panels."""
    evaluation = inputs.evaluation
    wider = 1 + _WIDER * max(0, len(inputs.quantizations) - _FITTING)
    figure = Figure(figsize=(NARROW_WIDTH, 14.4) if theme.narrow else (11 * wider, 8.6))
    wide = {
        "nrows": 2, "ncols": 2, "left": 0.075 / wider, "right": 1 - 0.025 / wider, "top": 0.83, "bottom": 0.07,
        "hspace": 0.36, "wspace": 0.2 / wider,
    }  # fmt: skip
    accuracy, macro_f1, latency, improvement = panels(figure, theme, wide, 4, above=NARROW_HEADING + 0.7)
    _accuracy(accuracy, inputs, theme)
    _macro_f1(macro_f1, inputs, theme)
    _latency(latency, inputs, theme)
    _improvement(improvement, inputs, theme)
    heading(
        figure,
        theme,
        headline_with_figures(evaluation),
        f"{evaluation.headline.n:,} test rows, {evaluation.primary_scoring} scoring,"
        f" error bars are {100 * evaluation.confidence:g}% intervals",
    )
    _legend(figure, theme, accuracy, names)
    return figure


def _legend(figure: Figure, theme: Theme, axes: Axes, names: Names) -> None:
    handles, _ = axes.get_legend_handles_labels()
    labels = [f"{side.upper()}  {shortened(names.of(side))}" for side in SIDES]
    figure.legend(
        handles[:2],
        labels,
        loc="upper left",
        bbox_to_anchor=(0, 1 - 0.95 / figure.get_figheight())
        if theme.narrow
        else (0.132 / figure.get_figwidth(), 0.925),
        ncols=1 if theme.narrow else 2,
        handlelength=1.1,
    )


def _bars(
    axes: Axes, inputs: ReportInputs, theme: Theme, side: Side, values: list[float | None]
) -> list[tuple[float, float | None]]:
    """Draw one model's bars; return each bar's position and value, including undefined ones."""
    shift = -_BAR / 2 - 0.01 if side == "a" else _BAR / 2 + 0.01
    places = [i + shift for i in range(len(inputs.quantizations))]
    heights = [0.0 if value is None else value for value in values]
    axes.bar(places, heights, _BAR, color=theme.side(side), label=side.upper())
    return list(zip(places, values, strict=True))


def _name_quantizations(axes: Axes, inputs: ReportInputs) -> None:
    primary = inputs.evaluation.primary_quantization
    axes.set_xticks(range(len(inputs.quantizations)), list(inputs.quantizations))
    axes.set_xlim(-0.6, len(inputs.quantizations) - 0.4)
    for quantization, label in zip(inputs.quantizations, axes.get_xticklabels(), strict=True):
        label.set_fontweight("bold" if quantization == primary else "normal")
    value_grid(axes, "y")


def _accuracy(axes: Axes, inputs: ReportInputs, theme: Theme) -> None:
    evaluation = inputs.evaluation
    for side in SIDES:
        qualities = [decided_quality_of(evaluation, side, q, evaluation.primary_scoring) for q in inputs.quantizations]
        bars = _bars(axes, inputs, theme, side, [c.accuracy.value if c else None for c in qualities])
        for (x, _), quality in zip(bars, qualities, strict=True):
            if quality is None:
                _label(axes, theme, x, 0.02, fmt.UNDEFINED)
                continue
            interval = quality.accuracy
            axes.errorbar(x, interval.value, arms([interval]), color=theme.ink, capsize=3, lw=1.2)
            _label(axes, theme, x, interval.high + 0.02, fmt.percent(interval.value))
    if evaluation.baseline is not None:
        _baseline(axes, theme, evaluation.baseline.accuracy.value)
    axes.set_ylim(0, 1.1)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100%"])
    axes.set_title("Accuracy")
    _name_quantizations(axes, inputs)


def _baseline(axes: Axes, theme: Theme, accuracy: float) -> None:
    line = axes.axhline(accuracy, color=theme.ink, lw=1.1, ls=_DOTS, zorder=3)
    aside_legend(axes, theme, [line], [f"bag of words {fmt.percent(accuracy)}"])


def _macro_f1(axes: Axes, inputs: ReportInputs, theme: Theme) -> None:
    evaluation = inputs.evaluation
    for side in SIDES:
        qualities = [decided_quality_of(evaluation, side, q, evaluation.primary_scoring) for q in inputs.quantizations]
        for x, value in _bars(axes, inputs, theme, side, [c.macro_f1 if c else None for c in qualities]):
            _label(axes, theme, x, (value or 0) + 0.02, fmt.share(value))
    axes.set_ylim(0, 1.1)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_title("Macro-F1")
    _name_quantizations(axes, inputs)


def _latency(axes: Axes, inputs: ReportInputs, theme: Theme) -> None:
    evaluation = inputs.evaluation
    top = max((s.latency_ms_p95 or s.latency_ms_p50 or 0 for s in evaluation.speed), default=0) or 1
    for side in SIDES:
        speeds = [speed_of(evaluation, side, q) for q in inputs.quantizations]
        bars = _bars(axes, inputs, theme, side, [s.latency_ms_p50 if s else None for s in speeds])
        for (x, p50), speed, patch in zip(bars, speeds, axes.patches[-len(bars) :], strict=True):
            if p50 is None:
                _label(axes, theme, x, 0.02 * top, fmt.UNDEFINED)
                continue
            if speed is not None and not speed.interleaved:
                patch.set_facecolor(theme.neutral)
            p95 = speed.latency_ms_p95 if speed else None
            if p95 is not None:
                axes.plot([x, x], [p50, p95], color=theme.side(side), lw=1.6)
                axes.plot([x - 0.1, x + 0.1], [p95, p95], color=theme.side(side), lw=2.4)
            inside = text_on(to_rgb(patch.get_facecolor()))
            _latency_figures(axes, theme, x, (p50, p95), top, inside)
    axes.set_ylim(0, top * 1.17)
    axes.set_title("Latency, ms")
    aside(axes, theme, f"bar p50, tick p95, {measured_on(evaluation)}")
    _name_quantizations(axes, inputs)


def _latency_figures(
    axes: Axes, theme: Theme, x: float, latency: tuple[float, float | None], top: float, inside: str
) -> None:
    """Write the median inside its bar, in the color `inside`, if the bar is high enough; p95 goes above its tick."""
    p50, p95 = latency
    figures = [(p50, f"{p50:,.0f}"), *([] if p95 is None else [(p95, f"{p95:,.0f}")])]
    if p50 > _ROOM_INSIDE * top:
        axes.text(x, p50 - 0.02 * top, figures.pop(0)[1], ha="center", va="top", fontsize=8.5, color=inside)
    elif p95 is not None and p95 - p50 < _ROOM_BETWEEN * top:
        figures = [(p95, f"{p95:,.0f}\n{p50:,.0f}")]
    for y, text in figures:
        _label(axes, theme, x, y + 0.02 * top, text)


def measured_on(evaluation: EvaluationResult) -> str:
    """Return the host on which a picture's timings were measured, or a warning."""
    hosts = hosts_of(evaluation)
    if not hosts:
        return "not measured"
    if len(hosts) > 1:
        return "on several hosts: not comparable"
    if not_side_by_side(evaluation):
        return "gray: not side by side"
    return f"on {shortened(hosts[0], _HOST_LENGTH) or 'one host'}"


def _label(axes: Axes, theme: Theme, x: float, y: float, text: str) -> None:
    undefined = text.startswith(fmt.UNDEFINED)
    axes.text(
        x, y, text, ha="center", va="bottom", fontsize=8.5, rotation=90 if undefined else 0,
        color=theme.muted if undefined else theme.ink, zorder=4, bbox=_backed(theme),
    )  # fmt: skip


def _backed(theme: Theme) -> dict[str, Any]:
    """A box in the background color, so that no line crosses a figure."""
    return {"facecolor": theme.background, "edgecolor": "none", "pad": 0.5}


def _improvement(axes: Axes, inputs: ReportInputs, theme: Theme) -> None:
    evaluation = inputs.evaluation
    scorings = evaluation.scorings
    spread = 0.0 if len(scorings) == 1 else 0.34 / (len(scorings) - 1)
    for place, quantization in enumerate(inputs.quantizations):
        for order, scoring in enumerate(scorings):
            comparison = comparison_of(evaluation, quantization, scoring)
            if comparison is not None:
                y = place + (order * spread - 0.17 if spread else 0)
                _difference(axes, theme, y, comparison, BY_NAME[scoring].marker)
    axes.axvline(0, color=theme.ink, lw=1)
    low, high = min(axes.get_xlim()[0], -1), max(axes.get_xlim()[1], 1)
    reach = max(abs(low), abs(high), 5)
    axes.set_xlim(min(low, -0.08 * reach) - 0.03 * reach, max(high, 0.08 * reach) + 0.2 * reach)
    low, high = (max(-100.0, axes.get_xlim()[0]), min(100.0, axes.get_xlim()[1]))
    axes.set_xticks(
        [tick for tick in axes.get_xticks() if low <= tick <= high]
    )  # no ticks in the space reserved for labels
    axes.set_yticks(range(len(inputs.quantizations)), list(inputs.quantizations))
    axes.tick_params(axis="y", labelcolor=theme.ink)
    for quantization, label in zip(inputs.quantizations, axes.get_yticklabels(), strict=True):
        label.set_fontweight("bold" if quantization == evaluation.primary_quantization else "normal")
    axes.set_ylim(len(inputs.quantizations) - 0.4, -0.6)
    axes.set_title("Improvement B - A, points")
    value_grid(axes, "x")
    axes.spines["left"].set_visible(False)
    _scoring_legend(axes, theme, [str(s) for s in scorings])


def _difference(axes: Axes, theme: Theme, y: float, comparison: Comparison, marker: str) -> None:
    """Draw a point with its interval; where nothing could be compared, write why, as the tables do."""
    if not comparison.verdict.compared:
        axes.annotate(
            f"{comparison.scoring}: {WORDS[comparison.verdict].cell}", (0, y), xytext=(8, 0),
            textcoords="offset points", va="center", fontsize=8.5, color=theme.muted, bbox=_backed(theme),
        )  # fmt: skip
        return
    d = comparison.accuracy_difference
    favored = {Verdict.A_BETTER: theme.side("a"), Verdict.B_BETTER: theme.side("b")}
    color = favored.get(comparison.verdict, theme.neutral)
    axes.plot([100 * d.low, 100 * d.high], [y, y], color=color, lw=2.2)
    axes.plot(100 * d.value, y, marker, color=color if marker == "o" else theme.background, mec=color, mew=2, ms=7.5)
    axes.annotate(
        fmt.points(d.value), (100 * d.high, y), xytext=(8, 0), textcoords="offset points",
        va="center", fontsize=8.5, color=theme.ink,
    )  # fmt: skip


def _scoring_legend(axes: Axes, theme: Theme, scorings: list[str]) -> None:
    if len(scorings) < 2:
        return
    handles = []
    for marker in (BY_NAME[scoring].marker for scoring in scorings):
        fill = theme.neutral if marker == "o" else theme.background
        handles += axes.plot([], [], marker, color=fill, mec=theme.neutral, mew=2, ms=7)
    aside_legend(axes, theme, handles, scorings)
