"""Scorings, the ways of asking for a class, in the order of tables and charts."""

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
    """A sentence or two for the report."""
    marker: str
    """Matplotlib marker in charts; unique per row."""
    writes_freely: bool
    """Whether the model writes free text, up to ab_test.max_new_tokens, from which the class is read; if not, it can
    only choose among the labels."""
    scored: bool = False
    """Whether the labels' log-probabilities decide; they are kept with the answer."""


ROWS: tuple[Row, ...] = (
    Row(
        "generate",
        "reads <final>",
        "With generate scoring, the model writes freely and its class is read from <final>; an answer without a class"
        " counts as INVALID and wrong.",
        marker="o",
        writes_freely=True,
    ),
    Row(
        "constrained",
        "allows only labels",
        "With constrained scoring, the model can only produce one of the four class names: it measures the decision"
        " without the format.",
        marker="s",
        writes_freely=False,
    ),
    Row(
        "logprob",
        "takes the likeliest label after <final>",
        "With logprob scoring, nothing is written and the class is the label that the model finds likeliest after"
        " <final>: it measures the decision, free of the format, and keeps the probabilities of all four.",
        marker="D",
        writes_freely=False,
        scored=True,
    ),
)

BY_NAME = {row.name: row for row in ROWS}
ORDER = tuple(BY_NAME)

if TYPE_CHECKING:
    Scoring = str
else:
    Scoring = Literal[ORDER]


def freely_written(names: list[Scoring]) -> list[Scoring]:
    """The given scorings under which the model writes freely."""
    return [name for name in names if BY_NAME[name].writes_freely]


def scored(names: list[Scoring]) -> list[Scoring]:
    """The given scorings that keep the labels' probabilities."""
    return [name for name in names if BY_NAME[name].scored]
