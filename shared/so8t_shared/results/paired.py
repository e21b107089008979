"""Exploratory comparisons on the same rows; none affects a verdict or the gate."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from so8t_shared.documents import Part
from so8t_shared.results.sides import Side
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import Scoring


class Paired(Part):
    """The same rows answered twice: by `other` and by the reference.

    Exploratory: nothing here affects a verdict or the gate.
    """

    n: int
    reference_right: int
    other_right: int
    gained: int = Field(description="Rows that only `other` got right.")
    lost: int = Field(description="Rows that only the reference got right.")
    difference: float = Field(description="Accuracy of `other` minus the reference's, as a share.")
    p_value: float = Field(description="Two-sided paired test, see Comparison.p_value.")
    p_adjusted: float = Field(description="Holm-adjusted over this line's table.")


class Slice(Paired):
    """B (other) against A (reference) on the rows of one language or category, in the headline's setting."""

    by: Literal["language", "category"]
    value: str = Field(description="Value in the rows; empty if they have none.")
    gathered: int = Field(1, description="Number of values in this line: more than 1 if the smallest were combined.")


class QuantizationLoss(Paired):
    """One model at one quantization (other) against the same model at the most precise one (reference)."""

    model: Side
    scoring: Scoring
    reference: Quantization
    quantization: Quantization


class BaselineComparison(Paired):
    """B (other) against the bag-of-words baseline (reference), in the headline's setting; a one-line table."""
