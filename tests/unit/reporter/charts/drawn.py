"""Drawing one picture for a test and reading back what is in it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from tests.unit.reporter.rendering import NAMES

from so8t_reporter.charts.style import LIGHT, Theme, styled
from so8t_reporter.inputs import Names, ReportInputs

Draw = Callable[[ReportInputs, Names, Theme], Figure]


def draw(function: Draw, inputs: ReportInputs, names: Names = NAMES, theme: Theme = LIGHT) -> Figure:
    with styled(theme):
        return function(inputs, names, theme)


def panel(figure: Figure, title: str) -> Axes:
    """The panel whose title begins like that."""
    return next(axes for axes in figure.axes if axes.get_title(loc="left").startswith(title))


def texts(where: Figure | Axes) -> list[str]:
    """All that can be read there, in drawing order."""
    return [text.get_text() for text in _texts(where)]


def bars(axes: Axes) -> list[Rectangle]:
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def _texts(where: Figure | Axes) -> list[Text]:
    return [
        text
        for text in where.findobj(Text)
        if isinstance(text, Text) and text.get_visible() and text.get_text().strip()
    ]


def collisions(figure: Figure) -> list[str]:
    """Pairs of texts that overlap, and texts that leave the picture."""
    with styled(LIGHT):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer = canvas.get_renderer()
        boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in _drawn(figure)]
        outside = [f"{text!r} leaves the picture" for text, box in boxes if not _inside(box, figure.bbox)]
        pairs = combinations(boxes, 2)
        return outside + [f"{a!r} over {b!r}" for (a, x), (b, y) in pairs if _overlap(x, y)]


def _drawn(figure: Figure) -> list[Text]:
    """Texts that are really painted: a tick beyond its axis' end is not."""
    hidden = set()
    for axes in figure.axes:
        for axis, (low, high) in ((axes.xaxis, sorted(axes.get_xlim())), (axes.yaxis, sorted(axes.get_ylim()))):
            for place, tick in zip(axis.get_majorticklocs(), axis.get_major_ticks(), strict=True):
                if not low - 1e-9 <= place <= high + 1e-9:
                    hidden |= {tick.label1, tick.label2}
    return [text for text in _texts(figure) if text not in hidden]


def _inside(box: Bbox, outer: Bbox) -> bool:
    return box.x0 >= outer.x0 and box.y0 >= outer.y0 and box.x1 <= outer.x1 and box.y1 <= outer.y1


def _overlap(a: Bbox, b: Bbox, slack: float = 1.0) -> bool:
    return min(a.x1, b.x1) - max(a.x0, b.x0) > slack and min(a.y1, b.y1) - max(a.y0, b.y0) > slack
