"""Rungs of a ladder, in its order; each row names the function of the service that measures it, see functions.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from so8t_shared.tables.quantizations import BY_NAME as BY_QUANTIZATION

Kind = Literal["start", "merge", "file", "serve"]
"""The hand-over that leads to a rung: none, merging adapter and gates in the same precision, writing weights to a file
in another type, or giving a file to a server."""


@dataclass(frozen=True)
class Row:
    """One kind of rung."""

    name: str
    title: str
    """With {quantization}, if the rung has one."""
    kind: Kind
    work: str
    """Takes a `RungOrder` and a `Progress`; writes the rung's record and arrays."""
    per_quantization: bool = False


ROWS: tuple[Row, ...] = (
    Row("trained", "trained model", "start", "so8t_trainer.ladder.rungs:measure_trained"),
    Row("merged", "merged checkpoint", "merge", "so8t_trainer.ladder.rungs:measure_checkpoint"),
    Row(
        "file",
        "{quantization} in llama.cpp",
        "file",
        "so8t_evaluator.ladder.engines:measure_file",
        per_quantization=True,
    ),
    Row("ollama", "{quantization} in Ollama", "serve", "so8t_evaluator.ladder.served:measure_served"),
)

DEFAULT_ROWS = 60
"""Test rows that climb a ladder, balanced over the classes."""

BY_NAME = {row.name: row for row in ROWS}

ROUNDINGS = ("f16", "bf16", "8", "6", "5", "4")
"""What a hand-over does to weights, from the finest: a cast, or so many bits in blocks of 32. Measured on the model
before the hand-over, it says how large a difference the hand-over explains."""


_CASTS = ("f16", "bf16")
_INPUTS = "8"
"""What the products of quantized weights round their inputs to. Two programs round other inputs, and differ as much."""


def rounding_of(kind: Kind, quantization: str) -> str:
    """Return the row of ROUNDINGS that explains a hand-over; empty without one: only float noise does."""
    if kind not in ("file", "serve"):
        return ""
    rounding = BY_QUANTIZATION[quantization].rounding
    return rounding if kind == "file" or rounding in _CASTS else _INPUTS
