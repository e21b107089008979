"""The main picture shows the measured values."""

from __future__ import annotations

from dataclasses import replace

import pytest
from matplotlib.colors import to_hex
from tests.unit.reporter.builders import Evaluation, Scenario
from tests.unit.reporter.charts.drawn import bars, collisions, draw, panel, texts
from tests.unit.reporter.rendering import NAMES

from so8t_reporter.charts.lookup import quality_of, speed_of
from so8t_reporter.charts.metrics_comparison import draw as metrics_comparison
from so8t_reporter.charts.metrics_comparison import measured_on
from so8t_reporter.charts.style import COLOR_A, COLOR_B, LIGHT
from so8t_reporter.inputs import ReportInputs
from so8t_shared.results.interval import Interval
from so8t_shared.results.verdicts import Verdict


def test_accuracy_bars(inputs: ReportInputs) -> None:
    """A bar a model and quantization, as high as the accuracy, in the model's color, with its interval."""
    e = inputs.evaluation
    axes = panel(draw(metrics_comparison, inputs), "Accuracy")
    qualities = [quality_of(e, side, q, "generate") for side in ("a", "b") for q in inputs.quantizations]  # type: ignore[arg-type]
    assert [bar.get_height() for bar in bars(axes)] == [c.accuracy.value for c in qualities if c]
    assert [to_hex(bar.get_facecolor()).upper() for bar in bars(axes)] == [COLOR_A] * 3 + [COLOR_B] * 3
    ends = {(round(y0, 9), round(y1, 9)) for c in axes.collections for (_, y0), (_, y1) in c.get_segments()}  # type: ignore[attr-defined]
    assert ends == {(round(c.accuracy.low, 9), round(c.accuracy.high, 9)) for c in qualities if c}
    assert {f"{100 * c.accuracy.value:.1f}%" for c in qualities if c} <= set(texts(axes))
    assert any(text.startswith("bag of words 64.") for text in texts(axes))


def test_macro_f1_and_latency(inputs: ReportInputs) -> None:
    """Macro-F1 and the median latency are the bars of the next panels; p95 is written above, the host beside."""
    e = inputs.evaluation
    figure = draw(metrics_comparison, inputs)
    settings = [(side, q) for side in ("a", "b") for q in inputs.quantizations]
    heights = [bar.get_height() for bar in bars(panel(figure, "Macro-F1"))]
    assert heights == [c.macro_f1 for s, q in settings if (c := quality_of(e, s, q, "generate"))]  # type: ignore[arg-type]
    speeds = [s for side, q in settings if (s := speed_of(e, side, q))]  # type: ignore[arg-type]
    latency = panel(figure, "Latency")
    assert [bar.get_height() for bar in bars(latency)] == [s.latency_ms_p50 for s in speeds]
    assert {f"{s.latency_ms_p95:.0f}" for s in speeds} <= set(texts(latency))
    assert any("on workbench" in text for text in texts(latency))


def test_a_model_that_could_not_be_read_has_no_bar(inputs: ReportInputs) -> None:
    """Neither accuracy nor macro-F1, and no word that looks like a share of 0%."""
    e = inputs.evaluation
    cells = [c.model_copy(update={"invalid": c.n}) if c.model == "a" else c for c in e.cells]
    figure = draw(metrics_comparison, replace(inputs, evaluation=e.model_copy(update={"cells": cells})))
    for title in ("Accuracy", "Macro-F1"):
        axes = panel(figure, title)
        assert [bar.get_height() for bar in bars(axes)][:3] == [0, 0, 0]
        assert texts(axes).count("undefined") == 3
        assert not {"0.0%", "0.000"} & set(texts(axes))


def test_what_could_not_be_compared_is_no_point(inputs: ReportInputs) -> None:
    """A setting in which most of A's answers are unread has its reason in place of a point, and moves no limit."""
    evaluation = Evaluation(Scenario()).result()
    unread = {"accuracy_difference": Interval(value=0.99, low=0.98, high=1), "verdict": Verdict.MOSTLY_UNREAD}
    changed = [c.model_copy(update=unread) if c.scoring == "constrained" else c for c in evaluation.comparisons]
    evaluation = evaluation.model_copy(update={"comparisons": changed})
    axes = panel(draw(metrics_comparison, replace(inputs, evaluation=evaluation)), "Improvement")
    points = [line for line in axes.lines if line.get_linestyle() == "None" and len(line.get_xdata()) == 1]  # type: ignore[arg-type]
    shown = [100 * c.accuracy_difference.value for c in changed if c.scoring == "generate"]
    assert [line.get_xdata()[0] for line in points] == shown  # type: ignore[index]
    assert [text for text in texts(axes) if "unread" in text] == ["constrained: mostly unread"] * 3
    assert axes.get_xlim()[1] < 98


@pytest.mark.parametrize(
    ("scenario", "color"),
    [
        (Scenario(), COLOR_B),
        (Scenario(skill_a=0.95, skill_b=0.4), COLOR_A),
        (Scenario(skill_a=0.6, skill_b=0.62), LIGHT.neutral),
    ],
)
def test_improvement(inputs: ReportInputs, scenario: Scenario, color: str) -> None:
    """Differences with their intervals; the color says whom they favor, gray that none is shown."""
    changed = replace(inputs, evaluation=Evaluation(scenario).result())
    axes = panel(draw(metrics_comparison, changed), "Improvement")
    spans = [line for line in axes.lines if line.get_linestyle() == "-" and len(line.get_xdata()) == 2]  # type: ignore[arg-type]
    drawn = [tuple(float(x) for x in line.get_xdata()) for line in spans if line.get_linewidth() == 2.2]  # type: ignore[union-attr]
    comparisons = changed.evaluation.comparisons
    assert drawn == [(100 * c.accuracy_difference.low, 100 * c.accuracy_difference.high) for c in comparisons]
    assert {to_hex(line.get_color()).upper() for line in spans if line.get_linewidth() == 2.2} == {color.upper()}
    assert {f"{100 * c.accuracy_difference.value:+.1f}" for c in comparisons} <= set(texts(axes))
    assert {"generate", "constrained"} <= set(texts(axes))


def test_no_improvement_beyond_100_points(inputs: ReportInputs) -> None:
    """A difference near 100 points needs room for its figure, but the scale ends at what can be."""
    far = Interval(value=0.9, low=0.82, high=0.97)
    comparisons = [c.model_copy(update={"accuracy_difference": far}) for c in inputs.evaluation.comparisons]
    evaluation = inputs.evaluation.model_copy(update={"comparisons": comparisons})
    axes = panel(draw(metrics_comparison, replace(inputs, evaluation=evaluation)), "Improvement")
    assert max(axes.get_xticks()) == 100
    assert axes.get_xlim()[1] > 105


def test_undefined_is_not_zero(sparse: ReportInputs) -> None:
    """Where nothing was timed the picture says undefined instead of a bar of height 0."""
    latency = panel(draw(metrics_comparison, sparse), "Latency")
    assert texts(latency).count("undefined") == 2
    assert "0 ms" not in texts(latency)


def test_a_figure_stays_with_its_bar(inputs: ReportInputs) -> None:
    """Beside an outlier of p95 a bar may be too low to hold its figure, which then stands above it."""
    speed = [
        s.model_copy(update={"latency_ms_p95": 12_000.0}) if s.quantization == "f16" else s
        for s in inputs.evaluation.speed
    ]
    figure = draw(metrics_comparison, replace(inputs, evaluation=inputs.evaluation.model_copy(update={"speed": speed})))
    axes = panel(figure, "Latency")
    figures = [text for text in axes.texts if text.get_text().replace(",", "").replace("\n", "").isdigit()]
    assert len(figures) == 8, "two of f16, one of two lines for each other bar"
    assert all(text.get_position()[1] > 0 for text in figures)
    assert {"410", "12,000", "380\n290"} <= {text.get_text() for text in figures}
    assert collisions(figure) == []


def test_names_models_and_verdict(inputs: ReportInputs) -> None:
    """Title, subtitle and legend say what is compared and what came out."""
    found = texts(draw(metrics_comparison, inputs))
    value = 100 * inputs.evaluation.headline.accuracy_difference.value
    assert f"B is better than A at q4_k_m: {value:+.1f} points, p < 0.001" in found
    assert "320 test rows, generate scoring, error bars are 95% intervals" in found
    assert {f"A  {NAMES.a}", f"B  {NAMES.b}"} <= set(found)


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        (Scenario(host_a="box", host_b="box"), "on box"),
        (Scenario(host_a="box", host_b="bench"), "on several hosts: not comparable"),
        (Scenario(interleaved=False), "gray: not side by side"),
    ],
)
def test_measured_on(scenario: Scenario, words: str) -> None:
    """Timings of several hosts, or of several runs, are not passed off as comparable."""
    evaluation = Evaluation(scenario).result()
    assert measured_on(evaluation) == words
    assert measured_on(evaluation.model_copy(update={"speed": []})) == "not measured"


def test_timings_that_cannot_be_compared_are_gray(inputs: ReportInputs) -> None:
    """Latencies that were not measured side by side lose the models' colors."""
    changed = replace(inputs, evaluation=Evaluation(Scenario(interleaved=False)).result())
    axes = panel(draw(metrics_comparison, changed), "Latency")
    assert {to_hex(bar.get_facecolor()) for bar in bars(axes)} == {LIGHT.neutral.lower()}
