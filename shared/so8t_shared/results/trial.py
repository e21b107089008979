"""What a short trial of a training measured."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from pydantic import Field

from so8t_shared import formatting as fmt
from so8t_shared.documents import Part


class Trial(Part):
    """The cost of a training by its second step."""

    steps: int = Field(description="Optimizer steps of the whole training.")
    seconds_per_step: float
    tokens_per_step: int
    peak_bytes: int
    predicted_bytes: int = Field(description="For the largest pass, which the two steps need not contain.")
    free_bytes: int
    device: str
    chosen: list[str] = Field(description="What was chosen for the device, and why.")

    @property
    def seconds(self) -> float:
        """Time of the whole training, without loading, validation and merging."""
        return self.steps * self.seconds_per_step

    def sentences(self, now: datetime) -> Iterator[str]:
        """What the trial found, in sentences."""
        speed = fmt.rate(self.tokens_per_step / self.seconds_per_step)
        end = (now + timedelta(seconds=self.seconds)).strftime("%Y-%m-%d %H:%M")
        yield f"A step takes {fmt.duration(self.seconds_per_step)} on {self.device} ({speed} tokens/s)."
        yield f"{self.steps:,} steps take {fmt.duration(self.seconds)}: started now, they end on {end}."
        yield (
            f"Memory: {fmt.size(self.peak_bytes)} in two steps, about {fmt.size(self.predicted_bytes)} for the largest"
            f" pass; {fmt.size(self.free_bytes)} free."
        )
        yield from (f"Chosen for this device: {why}." for why in self.chosen)
