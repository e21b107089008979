"""asking.json: what the evaluate stage asked, with which engine, and what it cost."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from so8t_shared.documents import Document, Part
from so8t_shared.results.evaluation import AnswerLimit, EngineInfo, Speed
from so8t_shared.results.sides import Side
from so8t_shared.results.stopped import Stopped
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import Scoring

ASKING_FILE = "asking.json"


class AskedFile(Part):
    """A GGUF file that was asked."""

    model: Side
    quantization: Quantization
    sha256: str


class Asking(Document):
    """asking.json of the evaluate stage, beside samples.jsonl and control.jsonl (A asked again; empty without it)."""

    schema_version: Literal[1] = 1
    primary_quantization: Quantization
    quantizations: list[Quantization]
    scorings: list[Scoring] = Field(description="In the configured order; the first one decides.")
    engine: EngineInfo
    answer_limit: AnswerLimit
    speed: list[Speed]
    files: list[AskedFile] | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="With ab_test.policy; the answers to the validation rows are then in validation.jsonl.",
    )
    stopped: Stopped | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="With ab_test.until_decided; the answers are then in the order of asking.",
    )
