"""The two models of the test."""

from __future__ import annotations

from typing import Literal

Side = Literal["a", "b"]

SIDES: tuple[Side, Side] = ("a", "b")
