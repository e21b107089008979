"""Colors that everyone can tell apart, and files without dates."""

from __future__ import annotations

import os

import matplotlib as mpl
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from so8t_reporter.charts.style import (
    COLOR_A,
    COLOR_B,
    DARK,
    LIGHT,
    Format,
    Theme,
    heading,
    relative_luminance,
    shortened,
    styled,
    text_on,
    to_bytes,
)


def contrast(first: str, second: str) -> float:
    """WCAG 2 contrast ratio."""
    low, high = sorted(relative_luminance(to_rgb(color)) for color in (first, second))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_contrast(theme: Theme) -> None:
    """Both models' colors reach 3:1, text 4.5:1, against the background."""
    assert contrast(theme.background, COLOR_A) >= 3
    assert contrast(theme.background, COLOR_B) >= 3
    assert contrast(theme.background, theme.neutral) >= 3
    assert contrast(theme.background, theme.ink) >= 4.5
    assert contrast(theme.background, theme.muted) >= 4.5


# Machado, Oliveira, Fernandes (2009), severity 1.0, on linear RGB.
DEFICIENCIES = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}


@pytest.mark.parametrize("name", DEFICIENCIES)
def test_colors_for_the_color_blind(name: str) -> None:
    """A and B stay far apart for every common color vision deficiency."""
    seen = []
    for color in (COLOR_A, COLOR_B):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
        seen.append([sum(m * c for m, c in zip(row, linear, strict=True)) for row in DEFICIENCIES[name]])
    distance = sum((a - b) ** 2 for a, b in zip(*seen, strict=True)) ** 0.5
    assert distance > 0.25


def test_sides_keep_their_colors() -> None:
    """A and B have the same two colors on every background."""
    assert {(theme.side("a"), theme.side("b")) for theme in (LIGHT, DARK)} == {(COLOR_A, COLOR_B)}


@pytest.mark.parametrize("side", ["a", "b"])
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
@pytest.mark.parametrize("share", [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
def test_text_on_a_ramp_is_readable(theme: Theme, side: str, share: float) -> None:
    """Numbers in a confusion matrix reach 4.5:1 on every color of the ramp."""
    red, green, blue, _ = theme.ramp(side)(share)  # type: ignore[arg-type]
    background = mpl.colors.to_hex((red, green, blue))
    assert contrast(background, text_on((red, green, blue))) >= 4.5


def figure_for(theme: Theme) -> Figure:
    with styled(theme):
        figure = Figure(figsize=(3, 2))
        figure.add_subplot().plot([1, 2], [3, 4])
        heading(figure, theme, "Title", "subtitle")
        return figure


@pytest.mark.parametrize("plot_format", ["png", "svg", "pdf"])
def test_equal_figures_give_equal_bytes(plot_format: Format) -> None:
    """Nothing of the moment gets into a file."""
    made = []
    for epoch in ("0", "86400"):
        os.environ["SOURCE_DATE_EPOCH"] = epoch
        try:
            with styled(LIGHT):
                made.append(to_bytes(figure_for(LIGHT), plot_format, 60))
        finally:
            del os.environ["SOURCE_DATE_EPOCH"]
    assert made[0] == made[1]
    assert not [word for word in (b"CreationDate", b"dc:date", b"tIME") if word in made[0]]


def test_own_settings_of_the_user_do_not_count() -> None:
    """A matplotlibrc of the user changes nothing, and nothing is left changed."""
    before = {"font.size": 31.0, "axes.grid": True, "lines.linewidth": 9.0}
    with mpl.rc_context(before):
        with styled(LIGHT):
            assert mpl.rcParams["font.size"] == 10
            assert mpl.rcParams["axes.grid"] is False
        assert {key: mpl.rcParams[key] for key in before} == before


@pytest.mark.parametrize(
    ("name", "shown"),
    [("borea", "borea"), ("x" * 40, f"{'x' * 33}..."), ("モデル-a", "...-a"), ("再訓練モデル", ""), ("", "")],
)
def test_shortened(name: str, shown: str) -> None:
    """Names in pictures are ASCII and of limited length; without any the letter, A or B, stands alone."""
    assert shortened(name) == shown
