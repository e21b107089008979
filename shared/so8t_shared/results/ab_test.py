"""ab_test_results.json: everything a program needs to know about a run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from so8t_shared.documents import Document
from so8t_shared.results.conversion import ConversionResult
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.training import DataReport, TrainingResult


class AbTestResults(Document):
    """ab_test_results.json: everything a program needs to know about a run."""

    schema_version: Literal[5] = 5
    so8t_ab_version: str = Field("", description="Version of SO8T-AB that wrote this file; empty before 0.1.0.")
    session_id: str
    model_a: str
    model_b: str
    summary: str = Field(description="The one-sentence answer.")
    evaluation: EvaluationResult
    training: TrainingResult | None = Field(description="Null for an external model B.")
    data: DataReport
    conversion: dict[str, ConversionResult] = Field(description="By stage: convert-a, convert-b.")
