"""The risk-coverage curves."""

from __future__ import annotations

import pytest
from matplotlib.collections import PathCollection
from tests.unit.reporter.charts.drawn import collisions, draw
from tests.unit.reporter.thresholds import with_thresholds

from so8t_reporter.charts import risk_coverage
from so8t_reporter.charts.catalog import charts_of
from so8t_reporter.charts.style import DARK, LIGHT, Theme
from so8t_reporter.inputs import Names, ReportInputs
from so8t_shared.results.sides import SIDES


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_curves(inputs: ReportInputs, theme: Theme) -> None:
    """A curve through each model's points, and a point where its thresholds are; words are readable."""
    fitted = with_thresholds(inputs)
    found = fitted.evaluation.policy
    assert found is not None
    figure = draw(risk_coverage.draw, fitted, theme=theme)
    for side, axes in zip(SIDES, figure.axes, strict=True):
        each = found.of(side, fitted.evaluation.primary_quantization)
        (line,) = axes.lines
        assert list(zip(*line.get_data(), strict=True)) == [(p.coverage, p.risk) for p in each.curve]
        (points,) = (c for c in axes.collections if isinstance(c, PathCollection))
        assert each.test.error is not None
        assert points.get_offsets().tolist() == [[1 - each.test.escalate.value, each.test.error.value]]
        assert axes.get_ylim()[1] > max(p.risk for p in each.curve)
    assert collisions(figure) == []


def test_long_names(inputs: ReportInputs) -> None:
    """Long and Japanese names collide with nothing."""
    figure = draw(risk_coverage.draw, with_thresholds(inputs), Names("borea-" * 30, "計算機$x^2$" * 9, "", ""))
    assert collisions(figure) == []


def test_in_the_report(inputs: ReportInputs) -> None:
    """It is drawn with thresholds only, and its words have the figures."""
    assert "risk_coverage" not in [chart.name for chart in charts_of(inputs)]
    fitted = with_thresholds(inputs)
    found = fitted.evaluation.policy
    assert found is not None
    (chart,) = (chart for chart in charts_of(fitted) if chart.name == "risk_coverage")
    for side in SIDES:
        test = found.of(side, fitted.evaluation.primary_quantization).test
        assert f"{side.upper()} decides {100 * (1 - test.escalate.value):.1f}%" in chart.alt
