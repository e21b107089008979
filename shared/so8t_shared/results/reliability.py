"""How often a model is right when it is how sure: the points of a reliability diagram."""

from __future__ import annotations

from pydantic import Field

from so8t_shared.documents import Part
from so8t_shared.results.interval import Interval
from so8t_shared.results.sides import Side


class ReliabilityBin(Part):
    """Rows on which the model was about equally sure."""

    rows: int
    confidence: float = Field(description="Mean probability of the likeliest class, of the four.")
    right: Interval = Field(description="Share of the rows whose likeliest class is the right one.")


class Reliability(Part):
    """One model in the headline's setting."""

    model: Side
    bins: list[ReliabilityBin] = Field(description="Of about equally many rows, the least sure first.")
