"""Rungs of a ladder, in its order; each row names the function of the service that measures it, see functions.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from so8t_shared.tables.quantizations import BY_NAME as BY_QUANTIZATION

Kind = Literal["start", "merge", "file", "engine"]
"""The hand-over that leads to a rung: none, merging adapter and gates in the same precision, writing weights to a file
in another type, or reading a file with another program."""


@dataclass(frozen=True)
class Row:
    """One kind of rung."""

    name: str
    title: str
    """With {quantization}, if there is one rung per quantization."""
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
    Row(
        "ollama",
        "{quantization} in Ollama",
        "engine",
        "so8t_evaluator.ladder.engines:measure_on_ollama",
        per_quantization=True,
    ),
)

BY_NAME = {row.name: row for row in ROWS}

ROUNDINGS = ("f16", "bf16", "8", "6", "5", "4")
"""What a hand-over does to weights, from the finest: a cast, or so many bits in blocks of 32. Measured on the model
before the hand-over, it says how large a difference the hand-over explains."""


def rounding_of(kind: Kind, quantization: str) -> str:
    """Return the row of ROUNDINGS that explains a hand-over; empty if only float noise does.

    Another program rounds what it multiplies weights with, by kernels of its own.
    """
    rounding = BY_QUANTIZATION[quantization].rounding if quantization else ""
    return "8" if kind == "engine" and rounding.isdigit() else rounding
