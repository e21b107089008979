"""One style for all pictures: colors, fonts, and saving a figure as bytes.

A is always blue and B always orange. The two have a contrast of at least 3:1 on the light and the
dark background and can be told apart with any of the common color vision deficiencies. A is left of
(or above) B wherever both are shown. The only external text in pictures is the names of models and
hosts, reduced to ASCII so that no glyph is ever missing.
"""

from __future__ import annotations

import io
import re
import textwrap
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
NARROW_WIDTH = 4.6
"""Inches; of a figure for phones."""
NARROW_HEADING = 1.35
"""Inches that a narrow figure keeps for its heading."""
_NARROW_FOOT = 0.55
_TITLE_LINE, _SUBTITLE_LINE = 48, 68
"""Characters."""
NAME_LENGTH = 36
"""Maximum characters of a name in a picture."""


@dataclass(frozen=True)
class Theme:
    """Colors that depend on the background, and the layout."""

    name: str
    background: str
    ink: str
    muted: str
    grid: str
    neutral: str
    narrow: bool = False
    """For phones: panels in one column."""

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
    """Add a figure's title and, below it, what the reader needs to interpret it; both left-aligned.

    In a narrow figure both are wrapped, and take at most NARROW_HEADING.
    """
    height, left = figure.get_figheight(), 0.22 / figure.get_figwidth()
    large, small, below = 14.0, 9.5, 0.46
    if theme.narrow:
        left, large, small = 0.1 / figure.get_figwidth(), 11.5, 8.5
        title, subtitle = textwrap.fill(title, _TITLE_LINE), textwrap.fill(subtitle, _SUBTITLE_LINE)
        below = 0.26 + 0.19 * len(title.splitlines())
    figure.text(left, 1 - 0.16 / height, title, fontsize=large, fontweight="bold", va="top", color=theme.ink)
    figure.text(left, 1 - below / height, subtitle, fontsize=small, va="top", color=theme.muted)


def panels(
    figure: Figure,
    theme: Theme,
    wide: dict[str, Any],
    count: int,
    *,
    above: float,
    gap: float = 0.95,
    left: float = 0.16,
) -> list[Axes]:
    """Add panels: in `wide`'s grid of rows and columns, or one below the other in a narrow figure.

    In a narrow figure, inches are kept free `above` the first one and as a `gap` between two; `left` is a share.
    """
    if not theme.narrow:
        grid = figure.add_gridspec(**wide)
        return [figure.add_subplot(grid[divmod(i, wide["ncols"])]) for i in range(count)]
    height = figure.get_figheight()
    each = (height - above - _NARROW_FOOT - gap * (count - 1)) / count
    grid = figure.add_gridspec(
        count, 1, left=left, right=0.96, top=1 - above / height, bottom=_NARROW_FOOT / height, hspace=gap / each
    )
    return [figure.add_subplot(grid[i, 0]) for i in range(count)]


def aside(axes: Axes, theme: Theme, text: str) -> None:
    """Add a remark at the right end of a panel's title line; in a narrow figure, above it."""
    y = _above_title(axes) if theme.narrow else 1.045
    axes.text(1, y, text, transform=axes.transAxes, ha="right", va="bottom", fontsize=8.5, color=theme.muted)


def aside_legend(axes: Axes, theme: Theme, handles: list[Line2D], labels: list[str]) -> None:
    """Add a one-line legend at the right end of a panel's title line; in a narrow figure, above it."""
    y = _above_title(axes) if theme.narrow else 1.07
    axes.legend(
        handles, labels, loc="lower right" if theme.narrow else "center right", bbox_to_anchor=(1.02, y),
        ncols=len(handles), handletextpad=0.5, columnspacing=1.2, borderaxespad=0.2, fontsize=8.5,
        labelcolor=theme.muted,
    )  # fmt: skip


def _above_title(axes: Axes) -> float:
    """The place above a panel's title, as a share of the panel's height."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return 1 + 0.36 / (figure.get_figheight() * axes.get_position().height)


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
