"""B's latency over A's."""

from __future__ import annotations

from pydantic import Field

from so8t_shared.documents import Part
from so8t_shared.results.interval import Interval
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import Scoring


class LatencyRatio(Part):
    """B's latency over A's on the same rows, asked one at a time and in turns; 1 is as fast."""

    quantization: Quantization
    scoring: Scoring
    ratio: Interval | None = Field(
        description="Median over the groups, each with the median of its rows; order statistics as ends. None with too"
        " few, or if the models did not take turns."
    )
    a_ms: Interval | None = Field(None, description="A's own median latency in milliseconds, in the same way.")
    b_ms: Interval | None = None
    undefined: str = Field("", description="Why there is no ratio.")
    disturbed: int = Field(description="Rows left out because other work disturbed one of the two measurements.")
    seconds: float = Field(description="Time of the answers behind it.")
