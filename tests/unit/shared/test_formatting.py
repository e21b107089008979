"""Numbers for people."""

from __future__ import annotations

import pytest

from so8t_shared import formatting as fmt
from so8t_shared.results.interval import Interval


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.912, "91.2%"), (0.0, "0.0%"), (1.0, "100.0%"), (0.0004, "<0.1%"), (0.9996, ">99.9%"), (0.9994, "99.9%")],
)
def test_percent(value: float, text: str) -> None:
    """A share that is not quite nothing or everything does not read as such."""
    assert fmt.percent(value) == text


def test_undefined_is_never_zero() -> None:
    """Every formatter shows None as undefined, with n where it is known."""
    assert fmt.percent(None, 0) == fmt.share(None, 0) == fmt.points(None, 0) == "undefined (n = 0)"
    assert fmt.milliseconds(None, 0) == fmt.rate(None, 0) == fmt.points_interval(None, 0) == "undefined (n = 0)"
    assert fmt.p_value(None) == fmt.size(None) == fmt.count(None) == fmt.duration(None) == "undefined"


@pytest.mark.parametrize(
    ("value", "text"), [(0.048, "+4.8"), (-0.031, "-3.1"), (0.0, "0.0"), (0.0004, "+0.0"), (-0.0004, "-0.0")]
)
def test_points(value: float, text: str) -> None:
    """Differences carry their sign; only exactly 0 has none."""
    assert fmt.points(value) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [(1e-30, "< 0.001"), (0.034, "0.034"), (0.0498, "0.0498"), (0.04999, "0.04999"), (0.0501, "0.0501"), (1.0, "1.00")],
)
def test_p_value_keeps_its_side_of_alpha(p: float, text: str) -> None:
    """Rounding never moves a p value onto or over alpha."""
    assert fmt.p_value(p) == text


def test_p_value_below_a_tiny_alpha() -> None:
    """With alpha below 0.001 "< 0.001" would not say on which side the value is, so it is not used."""
    assert fmt.p_value(0.0004, alpha=0.0005) == "0.0004"


def test_p_equals() -> None:
    """The sign between p and its value fits."""
    assert (fmt.p_equals(0.2), fmt.p_equals(1e-9)) == ("p = 0.2", "p < 0.001")


def test_intervals() -> None:
    """Intervals repeat the unit only where it is needed."""
    assert fmt.percent_interval(Interval(value=0.912, low=0.88, high=0.935)) == "91.2% (88.0 to 93.5)"
    assert fmt.points_interval(Interval(value=-0.01, low=-0.05, high=0.03)) == "-1.0 (-5.0 to +3.0)"


@pytest.mark.parametrize(
    ("value", "text"), [(4.214, "4.21 ms"), (347.4, "347 ms"), (999.4, "999 ms"), (1630, "1.63 s")]
)
def test_milliseconds(value: float, text: str) -> None:
    """Three significant digits, seconds from one second on."""
    assert fmt.milliseconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(4.21, "4.2 s"), (59.97, "1 min 00 s"), (187, "3 min 07 s"), (7500, "2 h 05 min")]
)
def test_duration(value: float, text: str) -> None:
    """The two largest units."""
    assert fmt.duration(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (98_400_000, "98.4 MB"),
        (1.25e9, "1.2 GB"),
        (1500, "1.5 kB"),
        (12, "12 B"),
        (0, "0 B"),
        (999, "999 B"),
        (999_960, "1.0 MB"),
    ],
)
def test_size(value: float, text: str) -> None:
    """Decimal units."""
    assert fmt.size(int(value)) == text


def test_plural() -> None:
    """One is one; none and several are many."""
    assert [fmt.plural(n, "is", "are") for n in (0, 1, 2)] == ["are", "is", "are"]
