"""asking.json: what the evaluate stage asked, with which engine, and what it cost."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from so8t_shared.documents import Document
from so8t_shared.results.evaluation import AnswerLimit, EngineInfo, Speed
from so8t_shared.results.stopped import Stopped
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import Scoring

ASKING_FILE = "asking.json"


class Asking(Document):
    """asking.json of the evaluate stage, beside samples.jsonl and control.jsonl (A asked again; empty without it)."""

    schema_version: Literal[1] = 1
    primary_quantization: Quantization
    quantizations: list[Quantization]
    scorings: list[Scoring] = Field(description="In the configured order; the first one decides.")
    engine: EngineInfo
    answer_limit: AnswerLimit
    speed: list[Speed]
    stopped: Stopped | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="With ab_test.until_decided; the answers are then in the order of asking.",
    )
