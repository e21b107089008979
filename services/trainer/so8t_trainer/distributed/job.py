"""What the ranks are to do: the leader's decisions and the encoded rows, as files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from so8t_shared.config.training import Training
from so8t_shared.documents import Part
from so8t_shared.results.training import TrainingPoint
from so8t_trainer.encode import EncodedRow
from so8t_trainer.validation import ValidationRow

JOB, TRAINED = "job.json", "trained"
AGENT = "SO8T_TORCHRUN_AGENT"
"""Environment variable with the process id of the agent, which may be gone before a rank has started."""

OWN_STORE = "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"
"""Torchrun's variable: with 1 each start of the ranks meets in a new store. In a shared one torch 2.13 leaves the
addresses of killed ranks, and the next ranks wait for these forever."""


class Job(Part):
    """One training, ready to start."""

    base: str
    settings: Training
    """Without `auto`."""
    device: str
    """cpu or cuda."""
    dtype: str
    sharded: bool
    rows: list[dict[str, Any]]
    validation: list[dict[str, Any]]

    @classmethod
    def of(cls, rows: list[EncodedRow], validation: list[ValidationRow], **values: Any) -> Job:
        """Return the job of training on `rows`."""
        return cls(rows=[asdict(row) for row in rows], validation=[asdict(row) for row in validation], **values)

    def encoded(self) -> tuple[list[EncodedRow], list[ValidationRow]]:
        """Return the rows to train on, and the rows to validate on."""
        rows = [EncodedRow(**{name: _tuple(value) for name, value in row.items()}) for row in self.rows]
        return rows, [ValidationRow(**{name: _tuple(value) for name, value in row.items()}) for row in self.validation]


class Outcome(Part):
    """What the leading rank says of a finished training; the rest lies in the folder TRAINED."""

    points: list[TrainingPoint]
    method: str
    device: str
    trainable_parameters: int
    total_parameters: int
    peak_memory_bytes: int


def trained_folder(folder: Path) -> Path:
    """Return where the leading rank writes what it trained."""
    return folder / TRAINED


def _tuple(value: Any) -> Any:
    return tuple(map(_tuple, value)) if isinstance(value, list) else value
