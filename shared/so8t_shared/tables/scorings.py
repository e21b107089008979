"""The ways of asking for a class, in the order in which a row is asked; tables and pictures keep it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal


@dataclass(frozen=True)
class Row:
    """One scoring."""

    name: str
    summary: str
    """For the configuration's description, after the name."""
    explanation: str
    """For people who read a report: a sentence or two."""
    marker: str
    """Matplotlib's marker in charts; each row has its own."""
    writes_freely: bool
    """Whether the model writes what it likes, up to ab_test.max_new_tokens, and the class is read from that; if not,
    it can only choose among the labels."""


ROWS: tuple[Row, ...] = (
    Row(
        "generate",
        "parses <final>",
        "With generate scoring the model writes freely and the class is read from its <final> part; an answer without"
        " one counts as INVALID and as wrong.",
        marker="o",
        writes_freely=True,
    ),
    Row(
        "constrained",
        "lets only the four labels be chosen",
        "With constrained scoring only the four class names can be produced: it measures the choice without the form.",
        marker="s",
        writes_freely=False,
    ),
)

BY_NAME = {row.name: row for row in ROWS}
ORDER = tuple(BY_NAME)
"""Names. Those that write freely come first: they are what is timed, and their prompt is in no cache yet."""

if TYPE_CHECKING:
    Scoring = str
else:
    Scoring = Literal[ORDER]


def freely_written(names: list[Scoring]) -> list[Scoring]:
    """Of these, the scorings under which the model writes freely."""
    return [name for name in names if BY_NAME[name].writes_freely]
