"""All pictures together: which there are, and that each can be read in every situation."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.reporter.builders import Scenario
from tests.unit.reporter.builders_upstream import write_folders
from tests.unit.reporter.charts.drawn import collisions, draw
from tests.unit.reporter.rendering import read

from so8t_reporter.charts.catalog import charts_of
from so8t_reporter.charts.style import DARK
from so8t_reporter.inputs import Names, ReportInputs

SCENARIOS = {
    "a better": Scenario(skill_a=0.99, skill_b=0.2),
    "no difference, two hosts": Scenario(skill_a=0.6, skill_b=0.62, host_a="gpu-box"),
    "perfect on few rows": Scenario(skill_b=1.2, support={"ALLOW": 2, "ESCALATION": 1, "DENY": 1, "REFUSE": 1}),
}


@pytest.fixture(scope="module", params=SCENARIOS)
def situation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ReportInputs:
    """Inputs of several outcomes."""
    folder: Path = tmp_path_factory.mktemp("situation")
    return read(write_folders(folder, SCENARIOS[request.param], steps=3))


def test_names(inputs: ReportInputs) -> None:
    """One picture a question, with words for those who cannot see it."""
    charts = charts_of(inputs)
    assert [chart.name for chart in charts] == [
        "metrics_comparison",
        "confusion_generate",
        "confusion_constrained",
        "flips",
        "quantization_tradeoff",
        "training_curve",
    ]
    for chart in charts:
        assert chart.alt.endswith(".")
        assert chart.caption.endswith(".")
        assert chart.title


def test_no_training_curve_without_steps(sparse: ReportInputs) -> None:
    """An untrained model has no curve, and a single scoring one confusion picture."""
    assert [chart.name for chart in charts_of(sparse)] == [
        "metrics_comparison",
        "confusion_generate",
        "flips",
        "quantization_tradeoff",
    ]


def test_alternative_text_has_the_figures(inputs: ReportInputs) -> None:
    """The words beside the main picture carry its message."""
    alt = charts_of(inputs)[0].alt
    assert f"{100 * inputs.evaluation.headline.accuracy_difference.value:+.1f} points" in alt
    assert "B is better than A" in alt


def test_readable(inputs: ReportInputs) -> None:
    """In no picture does a text cover another one or leave the picture."""
    assert {chart.name: collisions(draw(chart.draw, inputs)) for chart in charts_of(inputs)} == {
        chart.name: [] for chart in charts_of(inputs)
    }


def test_readable_in_other_situations(situation: ReportInputs) -> None:
    """The same with other outcomes, several hosts and very few rows or steps."""
    found = {chart.name: collisions(draw(chart.draw, situation)) for chart in charts_of(situation)}
    assert not any(found.values()), found


def test_readable_when_sparse(sparse: ReportInputs) -> None:
    """The same with as little measured as possible."""
    found = {chart.name: collisions(draw(chart.draw, sparse)) for chart in charts_of(sparse)}
    assert not any(found.values()), found


def test_no_missing_glyphs(inputs: ReportInputs) -> None:
    """Long names, Japanese ones and mathematical markup draw without a missing glyph or a collision."""
    evaluation = inputs.evaluation.model_copy(
        update={"speed": [s.model_copy(update={"host": "計算機$x^2$" * 9}) for s in inputs.evaluation.speed]}
    )
    foreign = replace(inputs, evaluation=evaluation)
    names = Names("borea-" * 30, "x" * 200, "", "")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for chart in charts_of(foreign):
            assert collisions(draw(chart.draw, foreign, names, DARK)) == []
