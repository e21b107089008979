"""Accuracy against cost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from matplotlib.colors import to_hex
from tests.unit.reporter.charts.drawn import draw, panel, texts

from so8t_reporter.charts import tradeoff
from so8t_reporter.charts.lookup import quality_of, speed_of
from so8t_reporter.charts.style import COLOR_A, COLOR_B
from so8t_reporter.inputs import ReportInputs
from so8t_shared.tables.quantizations import ROWS

MARKERS = {row.name: row.marker for row in ROWS}


def test_points(inputs: ReportInputs) -> None:
    """Each model's points lie at its file sizes and latencies, at its accuracies, shaped by quantization."""
    figure = draw(tradeoff.draw, inputs)
    for title, key, factor in (("File size", "file_size_bytes", 1e-6), ("Latency", "latency_ms_p50", 1.0)):
        dots = [line for line in panel(figure, title).lines if line.get_marker() in MARKERS.values()]
        drawn = [(line.get_marker(), to_hex(line.get_color()).upper(), *line.get_xydata()[0]) for line in dots]  # type: ignore[index]
        for side, color in (("a", COLOR_A), ("b", COLOR_B)):
            for q in inputs.quantizations:
                speed, quality = (
                    speed_of(inputs.evaluation, side, q),
                    quality_of(inputs.evaluation, side, q, "generate"),
                )  # type: ignore[arg-type]
                assert speed is not None
                assert quality is not None
                place = (getattr(speed, key) * factor, quality.accuracy.value)
                assert drawn.pop(0) == (MARKERS[q], color, *map(pytest.approx, place))
        assert drawn == []


def test_a_model_that_could_not_be_read_has_no_point(inputs: ReportInputs) -> None:
    """Its accuracy says nothing of its decisions."""
    e = inputs.evaluation
    cells = [c.model_copy(update={"invalid": c.n}) if c.model == "a" else c for c in e.cells]
    figure = draw(tradeoff.draw, replace(inputs, evaluation=e.model_copy(update={"cells": cells})))
    dots = [line for line in panel(figure, "File size").lines if line.get_marker() in MARKERS.values()]
    assert [to_hex(line.get_color()).upper() for line in dots] == [COLOR_B] * 3


def test_nothing_timed(sparse: ReportInputs) -> None:
    """Without timings the latency panel says so; file sizes are known all the same."""
    figure = draw(tradeoff.draw, sparse)
    assert "undefined: nothing was timed" in texts(panel(figure, "Latency"))
    assert any(line.get_marker() == "D" for line in panel(figure, "File size").lines)
    assert "q8_0" in texts(figure)
