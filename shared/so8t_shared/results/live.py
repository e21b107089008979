"""live.json: figures of a stage at work, for those who watch it; nothing depends on them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from so8t_shared.documents import Document, Part
from so8t_shared.results.interval import Interval
from so8t_shared.results.sides import Side
from so8t_shared.results.training import TrainingPoint
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import Scoring

LIVE_FILE = "live.json"
MOST_POINTS = 400
"""Steps that live.json holds; of more, evenly spaced ones."""


class LivePoint(Part):
    """One optimizer step."""

    step: int
    loss: float = Field(description="Mean cross-entropy over completion tokens, nats.")
    decision_loss: float | None = Field(None, description="Mean cross-entropy of a row's label, nats.")
    tokens_per_s: float | None = None
    memory_bytes: int | None = Field(None, description="What training holds: on the device, or this process.")
    validation_loss: float | None = None
    validation_decision_loss: float | None = None


class LiveCell(Part):
    """Answers of one model at one quantization under one scoring, so far."""

    model: Side
    quantization: Quantization
    scoring: Scoring
    invalid: int = Field(description="Answers from which no class could be read.")
    right: Interval = Field(description="Right answers; its rows are those asked so far. Nothing is decided by it.")


class Live(Document):
    """live.json."""

    schema_version: Literal[1] = 1
    steps: int = Field(0, description="Optimizer steps of the whole training.")
    points: list[LivePoint] = Field(default_factory=list)
    rows: int = Field(0, description="Test rows that each model is asked in each setting.")
    cells: list[LiveCell] = Field(default_factory=list)


def live_point(point: TrainingPoint, memory_bytes: int | None = None) -> LivePoint:
    """What is shown of a step."""
    found = point.validation
    return LivePoint(
        step=point.step,
        loss=point.loss,
        decision_loss=point.decision_loss,
        tokens_per_s=point.tokens / point.seconds if point.seconds > 0 else None,
        memory_bytes=memory_bytes,
        validation_loss=found.loss if found else None,
        validation_decision_loss=found.decision_loss if found else None,
    )


def thinned(points: list[LivePoint], most: int = MOST_POINTS) -> list[LivePoint]:
    """At most about `most` of them, evenly spaced; the last one and those with a validation stay."""
    every = -(-len(points) // most) or 1
    last = len(points) - 1
    return [p for i, p in enumerate(points) if i % every == 0 or i == last or p.validation_loss is not None]
