"""Where training can send its metrics; class and parameter names come from `accelerate.tracking`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

_PROJECT = "so8t-ab"


@dataclass(frozen=True)
class Tracker:
    """A tracker of the accelerate package."""

    name: str
    """As in `training.report_to` and in transformers' TrainingArguments."""
    class_name: str
    package: str
    """The Python package that it needs."""
    install: str
    """What pip calls that package."""
    parameters: dict[str, str]
    """In the values, {run} stands for the run's name and {folder} for a folder for files."""
    environment: dict[str, str] = field(default_factory=dict)
    """Set unless the user sets it."""
    shows_settings: bool = True
    """Whether it gets the training's settings; TensorBoard would list them as a second run."""


TRACKERS: tuple[Tracker, ...] = (
    Tracker(
        *("tensorboard", "TensorBoardTracker", "tensorboard", "tensorboard"),
        parameters={"run_name": "tensorboard", "logging_dir": "{folder}"},
        shows_settings=False,
    ),
    Tracker(
        *("mlflow", "MLflowTracker", "mlflow", "mlflow"),  # mlflow-skinny can only send to a server
        parameters={"experiment_name": _PROJECT, "run_name": "{run}"},
        environment={"MLFLOW_DISABLE_TELEMETRY": "true"},
    ),
    Tracker(*("trackio", "TrackioTracker", "trackio", "trackio"), parameters={"run_name": _PROJECT, "name": "{run}"}),
    Tracker(*("wandb", "WandBTracker", "wandb", "wandb"), parameters={"run_name": _PROJECT, "name": "{run}"}),
)

BY_NAME: dict[str, Tracker] = {tracker.name: tracker for tracker in TRACKERS}

if TYPE_CHECKING:
    TrackerName = str
else:
    TrackerName = Literal[tuple(BY_NAME)]
