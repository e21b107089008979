"""JSON files of the train stage: split rows, exclusions, and the course of training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from so8t_shared.documents import Document, Part

ROTATION_BUDGET = 1e-2
"""The original project's limit for max |R^T R - I| and for |det R - 1|."""

TENSORBOARD = "tensorboard/"
"""Folder of the metrics for TensorBoard."""
TRAINING_ROWS = "splits/train.jsonl"
"""The rows that are trained on."""


class Validation(Part):
    """The model on rows that are neither trained on nor tested; thinking is the row's own."""

    rows: int
    loss: float = Field(description="Mean cross-entropy over completion tokens, nats.")
    decision_loss: float = Field(description="Mean cross-entropy of a row's label, nats; a guess has ln 4 = 1.386.")
    accuracy: float = Field(description="Share of rows whose label is the likeliest of the four.")
    macro_f1: float = Field(description="Mean F1 over the classes that occur, by the likeliest of the four labels.")
    seconds: float


class TrainingPoint(Part):
    """One optimizer step (a line of metrics.jsonl)."""

    step: int
    loss: float = Field(description="Mean cross-entropy over completion tokens, nats.")
    decision_loss: float | None = Field(
        None, description="Mean cross-entropy of a row's label, nats; a guess has ln 4 = 1.386."
    )
    pet: float = Field(description="Penalty before weighting.")
    pet_lambda: float
    learning_rate: float
    grad_norm: float
    tokens: int = Field(description="Tokens in the step, excluding padding.")
    seconds: float = Field(description="Time spent in the step, without validation and checkpoints.")
    validation: Validation | None = Field(None, description="After the step, where one was due.")


class TrainingResult(Document):
    """training.json of the train stage; version 1 has no validation."""

    schema_version: Literal[1, 2] = 2
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
    validation_rows: int = Field(0, description="Rows in each validation; 0 if there was none.")
    best_step: int | None = Field(None, description="Step of the best validation.")
    best_validation: Validation | None = None
    last_validation: Validation | None = None
    weights_step: int | None = Field(None, description="Step whose weights model B has; null without any step.")
    stopped_early: bool = Field(False, description="Whether training.early_stopping ended the training.")
    base_bits: int | None = Field(
        None, description="Bits of the base in memory, 16 for the compute type; null if all are trained."
    )
    optimizer: str = "adamw"
    gradient_checkpointing: bool = False
    max_tokens_per_pass: int | None = None
    predicted_memory_bytes: int | None = None
    peak_memory_bytes: int | None = Field(None, description="Of the device as reserved, or of the process on a CPU.")
    gates: int = Field(description="Gated attention layers.")
    gate_layers: str = Field("", description="Their numbers, counted from 0, as ranges; empty without gates.")
    orthogonality_error: float | None = Field(description="max |R^T R - I| over all blocks.")
    determinant_min: float | None
    determinant_max: float | None
    rotation_angle_max: float | None = Field(description="Largest rotation angle of any block, radians.")


class DataReport(Document):
    """data_report.json of the train stage: rows read, and rows excluded with reasons; version 1 has no validation."""

    schema_version: Literal[1, 2] = 2
    sources: dict[str, dict[str, str]] = Field(
        description="Path to {schema, license, provenance, rows, encoding}, and license_file, license_sha256,"
        " license_notes and robots where they are declared."
    )
    rows_read: int
    excluded: dict[str, int] = Field(description="Reason to number of rows; the text itself is not kept.")
    duplicates: int = Field(description="Exact duplicates removed.")
    groups: int
    train: dict[str, int] = Field(description="Training rows per class.")
    validation: dict[str, int] = Field(
        default_factory=dict, description="Validation rows per class, neither trained on nor tested."
    )
    test: dict[str, int] = Field(description="Test rows per class.")
    by_language: dict[str, int]
    thinking: dict[str, int] = Field(default_factory=dict, description="Rows used that have each thinking role.")
    with_turns: int = Field(0, description="Rows used with a system prompt or earlier turns.")
    unused: dict[str, int] = Field(default_factory=dict, description="Field that is not used to the rows that have it.")
    label_words: dict[str, int] = Field(
        default_factory=dict, description="Word read as a class, as 'word = CLASS', to its number of rows."
    )


class RowTurn(Part):
    """A turn of a conversation before the request."""

    role: Literal["system", "user", "assistant"]
    content: str


class LabeledRow(Part):
    """A line of splits/train.jsonl, splits/validation.jsonl and splits/test.jsonl."""

    id: Annotated[
        str, Field(description="First 16 hex digits of the sha256 of the normalized text, and of the turns before it.")
    ]
    text: str = Field(description="The request: the last turn of its conversation.")
    label: str
    turns: list[RowTurn] = Field(default_factory=list, description="System prompt and earlier turns, if there are any.")
    thinking: dict[str, str] = Field(
        default_factory=dict,
        description="Thinking role to text, in the row's order: task for <think-task>, <think> for the plain tag.",
    )
    language: str = "unknown"
    category: str = ""
    group: str = Field(
        "",
        description="The same for rows of one group or near duplicates: the smallest id among them; empty if alone.",
    )

    @property
    def before(self) -> list[tuple[str, str]]:
        """Role and content of the turns before the request."""
        return [(turn.role, turn.content) for turn in self.turns]


class Targets(Document):
    """splits/targets.json of the train stage: facts about the trained answers, for the evaluator."""

    schema_version: Literal[1] = 1
    longest_tokens: int = Field(description="Tokens of the longest answer trained on, including its end token.")
    longest_prompt_tokens: int = Field(0, description="Tokens of the longest prompt of any row, tested ones included.")
    thinking: bool = Field(False, description="Whether an answer trained on has thinking before its label.")
