"""Short trainings, and what they leave."""

from __future__ import annotations

from pathlib import Path

import torch
from tests.unit.trainer.material import FakeControl, encoded_rows, some_rows, trainee, training

from so8t_shared.results.training import TrainingPoint
from so8t_trainer.encode import load_encoder
from so8t_trainer.loop import run_training
from so8t_trainer.model import Trainee
from so8t_trainer.validation import ValidationRow, validation_rows


def short_training(model_dir: Path, control: FakeControl, **values: object) -> tuple[Trainee, list[TrainingPoint]]:
    """Train a tiny model on a few rows; return it and its course."""
    subject = trainee(model_dir, **values)
    return subject, run_training(subject, encoded_rows(model_dir), training(**values), control)


def validation_of(model_dir: Path) -> list[ValidationRow]:
    """The rows as validation rows."""
    return validation_rows(some_rows(), load_encoder(model_dir), training())


def weights_of(subject: Trainee) -> dict[str, torch.Tensor]:
    """A copy of what is trained."""
    return {name: p.detach().clone() for name, p in subject.trainable().items()}


def without_seconds(points: list[TrainingPoint]) -> list[dict[str, object]]:
    """The points without what differs from run to run."""
    return [point.model_dump(exclude={"seconds"}) for point in points]
