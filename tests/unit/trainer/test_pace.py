"""The progress line: figures of the latest steps, and no estimate from nothing."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from tests.unit.trainer.test_course import points

from so8t_trainer.pace import Pace

CPU = torch.device("cpu")


def _lines(durations: list[float], steps: int) -> Iterator[str]:
    now = 0.0

    def clock() -> float:
        return now

    pace = Pace(steps, CPU, clock)
    for point, seconds in zip(points(*[None] * len(durations)), durations, strict=True):
        now += seconds
        yield pace.message(point)


def test_no_estimate_before_two_steps() -> None:
    """The first step loads and compiles: 100 s of it do not make ten hours of 2-second steps."""
    first, second, third = _lines([100.0, 2.0, 4.0], steps=10)
    assert "left" not in first
    assert "tokens/s" not in first
    assert "16.0 s left" in second  # 8 steps of 2 s
    assert "4.5 tokens/s" in second  # 9 tokens in 2 s
    assert "21.0 s left" in third  # 7 steps of 3 s
    assert all(" MB" in line or " GB" in line for line in (first, second, third))


def test_the_latest_steps_count() -> None:
    """A slow start is forgotten after 20 steps, and the last step has nothing left."""
    *_, before, last = _lines([1.0, *[60.0] * 20, *[1.0] * 20], steps=41)
    assert "left" not in last
    assert "22.5 tokens/s" not in last
    assert "9.0 tokens/s" in last
    assert "4.0 s left" in before  # 19 steps of 1 s and one of 60 s


def test_losses_beside_chance() -> None:
    """The decision loss stands beside ln 4; the newest validation stays on the line."""
    pace = Pace(3, CPU)
    first, second = points(0.9, None)
    assert "decision" not in pace.message(first)
    line = pace.message(second.model_copy(update={"decision_loss": 1.2}))
    assert "loss 1.000, decision 1.20 (chance 1.39), validation 0.900, 0.90, F1 0.500" in line
