"""Geometry of the charts."""

from __future__ import annotations

import math

import pytest

from so8t_dashboard.charts.intervals import Estimate, interval_chart
from so8t_dashboard.charts.lines import Curve, line_chart
from so8t_dashboard.charts.scale import Scale
from so8t_dashboard.charts.stage_graph import StageNote, direct_needs, stage_graph
from so8t_shared.stages import BY_NAME

NOTES = {name: StageNote("done", "", "good") for name in BY_NAME}


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 1, ["0.0", "0.5", "1.0"]),
        (0, 4321, ["0", "2,000", "4,000"]),
        (0.93, 0.97, ["0.93", "0.94", "0.95", "0.96", "0.97"]),
        (0, 0, ["0"]),
    ],
)
def test_ticks_are_round(low: float, high: float, labels: list[str]) -> None:
    """Round values within the axis, at their places."""
    ticks = Scale(low, high, 10, 110).ticks()
    assert [tick.label for tick in ticks] == labels
    assert all(10 <= tick.at <= 110 for tick in ticks)


def test_a_curve() -> None:
    """Points lie on the axes' scales; what is not finite is left out."""
    chart = line_chart("Loss", [Curve("training", [(0, 2.0), (50, math.nan), (100, 0.0)], "a")], x_most=100)
    assert chart is not None
    (curve,) = chart.curves
    assert curve.path == f"M{chart.left},{chart.top + 8.3:g} L{chart.right},{chart.bottom}"
    assert line_chart("Loss", [Curve("training", [(1, math.inf)], "a"), Curve("none", [], "b")]) is None


def test_intervals() -> None:
    """Ends and value of each row lie in their order, inside the axis."""
    chart = interval_chart("Right", [Estimate("A", 0.4, 0.3, 0.5, "4 of 10", "a")], ends=(0, 1), reference=0.5)
    assert chart is not None
    (row,) = chart.rows
    assert chart.left < row.low < row.value < row.high == chart.reference < chart.right
    assert [tick.label for tick in chart.ticks] == ["0%", "20%", "40%", "60%", "80%", "100%"]
    assert interval_chart("Right", []) is None


@pytest.mark.parametrize("down", [False, True])
def test_the_graph_shows_every_need(down: bool) -> None:
    """Every stage is inside the picture once, apart from the others, and comes after what it waits for."""
    graph = stage_graph(NOTES, down=down)
    places = {box.stage: (box.x, box.y) for box in graph.boxes}
    assert places.keys() == BY_NAME.keys()
    assert all(
        0 <= x <= graph.width - graph.box_width and 0 <= y <= graph.height - graph.box_height
        for x, y in places.values()
    )
    assert len(graph.arrows) == sum(map(len, direct_needs().values()))
    for name, stage in BY_NAME.items():
        assert all(places[need][down] < places[name][down] for need in stage.needs)
    boxes = list(places.values())
    for i, (x, y) in enumerate(boxes):
        assert all(abs(x - u) >= graph.box_width or abs(y - v) >= graph.box_height for u, v in boxes[i + 1 :])


def test_needs_that_are_drawn() -> None:
    """An arrow that other arrows imply is left out; together they imply all needs."""
    direct = direct_needs()

    def reached(name: str) -> set[str]:
        return set(direct[name]).union(*map(reached, direct[name]))

    assert all(set(stage.needs) <= reached(name) for name, stage in BY_NAME.items())
    assert direct["report"] == ["conclude"]
