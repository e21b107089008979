"""The base of all results, and what several of them hold.

A value that is not defined (a recall without a single row, a rate over no time) is None, never 0.
Durations are milliseconds, sizes bytes, rates tokens per second, shares 0..1.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

Side = Literal["a", "b"]

SIDES: tuple[Side, Side] = ("a", "b")


class Record(BaseModel):
    """Base of all results; unknown fields are refused, so that a newer writer is noticed."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), defer_build=True)
    __test__: ClassVar[bool] = False
    """TestSet is data; pytest need not look for tests in it."""


class Interval(Record):
    """An estimate with its confidence interval; the level stands in EvaluationResult.confidence."""

    value: float
    low: float
    high: float
