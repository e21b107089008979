"""One style for all pictures: colors, fonts, and saving a figure as bytes.

A is always blue and B always orange. The two have a contrast of at least 3:1 on the light and the
dark background and can be told apart with any of the common color vision deficiencies. A is left of
(or above) B wherever both are shown. The only external text in pictures is the names of models and
hosts, reduced to ASCII so that no glyph is ever missing.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from so8t_shared.results.sides import Side

Format = Literal["png", "svg", "pdf"]

COLOR_A = "#2E74B5"
COLOR_B = "#E0731D"
NAME_LENGTH = 36
"""Maximum characters of a name in a picture."""


@dataclass(frozen=True)
class Theme:
    """Colors that depend on the background."""

    name: str
    background: str
    ink: str
    muted: str
    grid: str
    neutral: str

    def side(self, side: Side) -> str:
        """The color of a model."""
        return COLOR_A if side == "a" else COLOR_B

    def ramp(self, side: Side) -> LinearSegmentedColormap:
        """From the background to the color of a model, for shares 0..1."""
        return LinearSegmentedColormap.from_list(f"{self.name}-{side}", [self.background, self.side(side)])


LIGHT = Theme("light", background="#FFFFFF", ink="#1B2430", muted="#5B6675", grid="#E4E8EE", neutral="#8A94A3")
DARK = Theme("dark", background="#171C24", ink="#E8ECF2", muted="#A0ABBA", grid="#2C3542", neutral="#7E8A9B")

_FIXED: Any = {
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.labelsize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.linewidth": 0.8,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.major.pad": 6,
    "ytick.major.pad": 6,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "lines.solid_capstyle": "round",
    "text.parse_math": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "so8t-ab",
    "pdf.fonttype": 42,
}


@contextmanager
def styled(theme: Theme) -> Iterator[None]:
    """Apply the style to everything drawn in this context, ignoring the user's matplotlibrc."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_FIXED | _colored(theme))
        yield


def _colored(theme: Theme) -> Any:
    return {
        "figure.facecolor": theme.background,
        "savefig.facecolor": theme.background,
        "axes.facecolor": theme.background,
        "axes.edgecolor": theme.grid,
        "axes.labelcolor": theme.muted,
        "axes.titlecolor": theme.ink,
        "text.color": theme.ink,
        "xtick.color": theme.muted,
        "ytick.color": theme.muted,
        "xtick.labelcolor": theme.ink,
        "ytick.labelcolor": theme.muted,
        "grid.color": theme.grid,
    }


def to_bytes(figure: Figure, plot_format: Format, dpi: int) -> bytes:
    """Return the figure as a file without dates, so that equal figures give equal bytes."""
    undated: dict[Format, dict[str, None]] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    stream = io.BytesIO()
    figure.savefig(stream, format=plot_format, dpi=dpi, metadata=undated[plot_format])
    return stream.getvalue()


def heading(figure: Figure, theme: Theme, title: str, subtitle: str) -> None:
    """Add a figure's title and, below it, what the reader needs to interpret it; both left-aligned."""
    height, left = figure.get_figheight(), 0.22 / figure.get_figwidth()
    figure.text(left, 1 - 0.16 / height, title, fontsize=14, fontweight="bold", va="top", color=theme.ink)
    figure.text(left, 1 - 0.46 / height, subtitle, fontsize=9.5, va="top", color=theme.muted)


def aside(axes: Axes, theme: Theme, text: str) -> None:
    """Add a remark at the right end of a panel's title line."""
    axes.text(1, 1.045, text, transform=axes.transAxes, ha="right", va="bottom", fontsize=8.5, color=theme.muted)


def aside_legend(axes: Axes, theme: Theme, handles: list[Line2D], labels: list[str]) -> None:
    """Add a one-line legend at the right end of a panel's title line."""
    axes.legend(
        handles, labels, loc="center right", bbox_to_anchor=(1.02, 1.07), ncols=len(handles), handletextpad=0.5,
        columnspacing=1.2, borderaxespad=0.2, fontsize=8.5, labelcolor=theme.muted,
    )  # fmt: skip


def value_grid(axes: Axes, axis: Literal["x", "y"]) -> None:
    """Draw light grid lines across the value axis and remove its frame line."""
    axes.grid(visible=True, axis=axis)
    axes.spines["left" if axis == "y" else "bottom"].set_visible(False)


def text_on(color: tuple[float, float, float]) -> str:
    """Return black or white, whichever is easier to read on `color` (red, green, blue in 0..1; WCAG contrast)."""
    luminance = relative_luminance(color)
    return "#FFFFFF" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else "#000000"


def relative_luminance(color: tuple[float, float, float]) -> float:
    """Return the WCAG 2 relative luminance of an sRGB color, 0..1."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def shortened(name: str, length: int = NAME_LENGTH) -> str:
    """Return a model or host name for a picture: ASCII, limited in length; empty if no character is ASCII.

    Dots mark omitted characters, so that two different names never both become a row of question marks.
    """
    plain = re.sub(r"[^ -~]+", "...", name)
    if plain == "...":
        return ""
    return plain if len(plain) <= length else f"{plain[: length - 3]}..."
