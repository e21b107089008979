"""Geometry of the intervals that tables draw."""

from __future__ import annotations

import pytest

from so8t_reporter.document import Cell, Scale
from so8t_shared.results.interval import Interval


@pytest.mark.parametrize(
    ("scale", "reach", "interval", "track"),
    [
        ("share", 1.0, (0.5, 0.25, 0.75), (25.0, 50.0, 75.0, 0.0)),
        ("difference", 1.0, (0.0, -0.5, 0.5), (25.0, 50.0, 75.0, 50.0)),
        ("difference", 0.2, (0.1, 0.0, 0.2), (50.0, 75.0, 100.0, 50.0)),
        ("difference", 0.1, (0.3, -0.3, 0.5), (0.0, 100.0, 100.0, 50.0)),
    ],
)
def test_track(
    scale: Scale, reach: float, interval: tuple[float, float, float], track: tuple[float, float, float, float]
) -> None:
    """Places are percent of the track, zero included, and never leave it."""
    value, low, high = interval
    assert Cell("", "", Interval(value=value, low=low, high=high), scale, reach).track == track


def test_no_track_without_interval() -> None:
    """A plain cell draws nothing."""
    assert Cell("text").track is None
