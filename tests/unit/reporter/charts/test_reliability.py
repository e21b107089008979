"""The reliability diagram, and where it stands in the report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from tests.unit.reporter.charts.drawn import collisions, draw, panel, texts
from tests.unit.reporter.rendering import text_report

from so8t_evaluator.rates import rates_of
from so8t_evaluator.reliability import reliability_of
from so8t_reporter.charts import reliability
from so8t_reporter.charts.catalog import charts_of
from so8t_reporter.charts.style import DARK, LIGHT, Theme
from so8t_reporter.document import PictureBlock
from so8t_reporter.inputs import Names, ReportInputs
from so8t_shared.config.model import AbTest
from so8t_shared.labels import LABELS
from so8t_shared.results.answers import Sample
from so8t_shared.results.sides import SIDES, Side


def likely(sample: Sample, rng: np.random.Generator) -> Sample:
    """The sample with probabilities that favor its class."""
    odds = dict.fromkeys(LABELS, 0.0) | {sample.predicted: 4 * rng.random()}
    return sample.model_copy(update={"logprobs": {label: odds[label] - 6 for label in LABELS}})


def with_probabilities(inputs: ReportInputs, sides: tuple[Side, ...] = SIDES) -> ReportInputs:
    """The inputs as if the given models had probabilities in the headline's setting."""
    e, rng = inputs.evaluation, np.random.default_rng(8)
    deciding = (e.primary_quantization, e.primary_scoring)
    a, b = ([s for s in inputs.samples if (s.quantization, s.scoring) == deciding and s.model == m] for m in SIDES)
    a, b = ([likely(s, rng) for s in rows] if m in sides else rows for m, rows in (("a", a), ("b", b)))
    found = {"rates": rates_of(a, b, AbTest()), "reliability": reliability_of((a, b), e.confidence)}
    return replace(inputs, evaluation=e.model_copy(update=found))


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_points(inputs: ReportInputs, theme: Theme) -> None:
    """A point per bin at its probability and share right, in the model's color, with readable words."""
    measured = with_probabilities(inputs)
    figure = draw(reliability.draw, measured, theme=theme)
    for bins, axes in zip(measured.evaluation.reliability, figure.axes, strict=True):
        (points,) = (c for c in axes.collections if isinstance(c, PathCollection))
        assert points.get_offsets().tolist() == [[b.confidence, b.right.value] for b in bins.bins]
        assert len(bins.bins) == 15
    words = "probability of the likeliest class (320 rows in 15 bins)"
    assert texts(figure).count(words) == 2
    assert collisions(figure) == []


def test_long_names(inputs: ReportInputs) -> None:
    """Long and Japanese names collide with nothing."""
    figure = draw(reliability.draw, with_probabilities(inputs), Names("borea-" * 30, "計算機$x^2$" * 9, "", ""))
    assert collisions(figure) == []


def test_one_model(inputs: ReportInputs) -> None:
    """A model without probabilities says so."""
    figure = draw(reliability.draw, with_probabilities(inputs, ("b",)))
    assert "no probabilities" in texts(panel(figure, "A"))
    assert "no probabilities" not in texts(panel(figure, "B"))


def test_in_the_report(inputs: ReportInputs) -> None:
    """It stands among the rates, its words have the figures, and without probabilities there is none."""
    assert "reliability" not in [chart.name for chart in charts_of(inputs)]
    measured = with_probabilities(inputs)
    chart = next(chart for chart in charts_of(measured) if chart.name == "reliability")
    error = next(r for r in measured.evaluation.rates if r.metric == "calibration_error" and r.by == "all")
    assert error.a is not None
    assert error.b is not None
    assert f"A {100 * error.a.value:.1f}%, B {100 * error.b.value:.1f}%." in chart.alt
    (section,) = (s for s in text_report(measured).sections if s.anchor == "rates")
    assert PictureBlock("reliability") in section.blocks
    alone = next(c for c in charts_of(with_probabilities(inputs, ("b",))) if c.name == "reliability")
    assert "error: B " in alone.alt
