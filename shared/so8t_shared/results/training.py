"""JSON files of the train stage: split rows, exclusions, and the course of training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from so8t_shared.documents import Document, Part

ROTATION_BUDGET = 1e-2
"""The original project's limit for max |R^T R - I| and for |det R - 1|."""


class TrainingPoint(Part):
    """One optimizer step (a line of metrics.jsonl)."""

    step: int
    loss: float = Field(description="Mean cross-entropy over completion tokens, nats.")
    pet: float = Field(description="Penalty before weighting.")
    pet_lambda: float
    learning_rate: float
    grad_norm: float
    tokens: int = Field(description="Tokens in the step, excluding padding.")
    seconds: float


class TrainingResult(Document):
    """training.json of the train stage."""

    schema_version: Literal[1] = 1
    method: Literal["lora", "qlora", "full"]
    steps: int
    rows: int = Field(description="Training rows after all exclusions.")
    rows_seen: int = Field(description="Rows fed to the model, counting repetitions.")
    trainable_parameters: int
    total_parameters: int
    dtype: str
    device: str
    host: str
    seconds: float = Field(description="Time spent in optimizer steps, over all attempts.")
    first_loss: float | None
    final_loss: float | None
    gates: int = Field(description="Gated attention layers.")
    orthogonality_error: float | None = Field(description="max |R^T R - I| over all blocks.")
    determinant_min: float | None
    determinant_max: float | None
    rotation_angle_max: float | None = Field(description="Largest rotation angle of any block, radians.")


class DataReport(Document):
    """data_report.json of the train stage: rows read, and rows excluded with reasons."""

    schema_version: Literal[1] = 1
    sources: dict[str, dict[str, str]] = Field(
        description="Path to {schema, license, provenance, rows}, and license_file, license_sha256, license_notes and"
        " robots where they are declared."
    )
    rows_read: int
    excluded: dict[str, int] = Field(description="Reason to number of rows; the text itself is not kept.")
    duplicates: int = Field(description="Exact duplicates removed.")
    groups: int
    train: dict[str, int] = Field(description="Training rows per class.")
    test: dict[str, int] = Field(description="Test rows per class.")
    by_language: dict[str, int]


class LabeledRow(Part):
    """A line of splits/train.jsonl and splits/test.jsonl."""

    id: Annotated[str, Field(description="First 16 hex digits of the sha256 of the normalized text.")]
    text: str
    label: str
    thinking: dict[str, str] = Field(
        default_factory=dict, description="Parts task, safety and policy, if the row has them."
    )
    language: str = "unknown"
    category: str = ""
    group: str = Field(
        "",
        description="The same for rows of one group or near duplicates: the smallest id among them; empty if alone.",
    )


class Targets(Document):
    """splits/targets.json of the train stage: facts about the trained answers, for the evaluator."""

    schema_version: Literal[1] = 1
    longest_tokens: int = Field(description="Tokens of the longest answer trained on, including its end token.")
    thinking: bool = Field(False, description="Whether an answer trained on has thinking before its label.")
