"""The stages as boxes, and arrows for what waits for what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from so8t_shared.stages import BY_NAME, STAGES

_BOX, _HIGH = (124, 52)
_GAP_ALONG, _GAP_ACROSS = 30, 18


@dataclass(frozen=True)
class Box:
    """A stage in pixels; `tone` is its state's."""

    stage: str
    state: str
    note: str
    tone: str
    x: float
    y: float


@dataclass(frozen=True)
class Arrow:
    """From a stage to one that waits for it, as an SVG path."""

    path: str
    open: bool
    """Whether the first one is not finished, so that the other one waits."""


@dataclass(frozen=True)
class StageGraph:
    """Everything that the template draws."""

    boxes: list[Box]
    arrows: list[Arrow]
    width: int
    height: int
    box_width: int = _BOX
    box_height: int = _HIGH


@dataclass(frozen=True)
class StageNote:
    """What a box says."""

    state: str
    note: str
    tone: str


def direct_needs() -> dict[str, list[str]]:
    """The needs of each stage, without any that another of its needs already has."""
    return {s.name: [n for n in s.needs if not any(n in _all_needs(m) for m in s.needs)] for s in STAGES}


def _levels(needs: Mapping[str, list[str]]) -> dict[str, int]:
    """How many stages come before each one, if each stands right before the first that needs it: no arrow is long."""
    before: dict[str, int] = {}
    for stage in reversed(STAGES):
        before[stage.name] = min((before[s] for s in before if stage.name in needs[s]), default=0) - 1
    first = min(before.values())
    return {stage.name: before[stage.name] - first for stage in STAGES}


def _all_needs(name: str) -> set[str]:
    needs = set(BY_NAME[name].needs)
    return needs.union(*(_all_needs(need) for need in needs))


def stage_graph(notes: Mapping[str, StageNote], *, down: bool = False) -> StageGraph:
    """Lay out the stages from left to right, or downward for narrow screens."""
    needs = direct_needs()
    rows: dict[int, list[str]] = {}
    for name, level in _levels(needs).items():
        rows.setdefault(level, []).append(name)
    most = max(map(len, rows.values()))
    places = {
        name: _place(level, i, len(names), most, down) for level, names in rows.items() for i, name in enumerate(names)
    }
    boxes = [Box(n, notes[n].state, notes[n].note, notes[n].tone, *places[n]) for n in places if n in notes]
    arrows = [
        Arrow(_path(places[need], places[name], down), notes[need].tone != "good")
        for name in places
        for need in needs[name]
    ]
    along, across = (
        _length(len(rows), _HIGH if down else _BOX, _GAP_ALONG),
        _length(most, _BOX if down else _HIGH, _GAP_ACROSS),
    )
    return StageGraph(boxes, arrows, *((across + 2, along + 2) if down else (along + 2, across + 2)))


def _length(count: int, size: int, gap: int) -> int:
    return count * size + (count - 1) * gap


def _place(level: int, index: int, count: int, most: int, down: bool) -> tuple[float, float]:
    """Left upper corner of the `index`-th of `count` boxes, which are centered."""
    along = 1 + level * ((_HIGH if down else _BOX) + _GAP_ALONG)
    size = (_BOX if down else _HIGH) + _GAP_ACROSS
    across = 1 + (most - count) * size / 2 + index * size
    return (across, along) if down else (along, across)


def _path(start: tuple[float, float], end: tuple[float, float], down: bool) -> str:
    if down:
        x1, y1, x2, y2 = start[0] + _BOX / 2, start[1] + _HIGH, end[0] + _BOX / 2, end[1] - 5
        middle = (y1 + y2) / 2
        return f"M{x1:g},{y1:g} C{x1:g},{middle:g} {x2:g},{middle:g} {x2:g},{y2:g}"
    x1, y1, x2, y2 = start[0] + _BOX, start[1] + _HIGH / 2, end[0] - 5, end[1] + _HIGH / 2
    middle = (x1 + x2) / 2
    return f"M{x1:g},{y1:g} C{middle:g},{y1:g} {middle:g},{y2:g} {x2:g},{y2:g}"
