"""Training checkpoints: everything that the next step depends on, as safetensors and JSON."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from so8t_shared.documents import Document
from so8t_shared.errors import IntegrityError
from so8t_shared.json_files import write_lines
from so8t_shared.results.training import TrainingPoint

METRICS = "metrics.jsonl"
"""One optimizer step per line."""

_STATE = "state.json"

KEPT = 2
"""Number of checkpoints to keep: a kill during a write leaves the previous one."""


class State(Document):
    """state.json: the progress of the training."""

    schema_version: Literal[1] = Field(1, alias="schema")
    step: int


class CheckpointStore(Protocol):
    """Storage for checkpoints (so8t_shared.artifacts.checkpoints.Checkpoints)."""

    def names(self) -> list[str]: ...
    def save(self, name: str, folder: Path) -> None: ...
    def load(self, name: str) -> Path: ...
    def drop(self, name: str) -> None: ...


def save_checkpoint(
    store: CheckpointStore,
    scratch: Path,
    parameters: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    points: list[TrainingPoint],
) -> None:
    """Save the state after `len(points)` steps and drop all but the newest checkpoints."""
    folder = scratch / "checkpoint"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    save_file({name: p.detach().contiguous() for name, p in parameters.items()}, folder / "weights.safetensors")
    save_file(_optimizer_tensors(parameters, optimizer), folder / "optimizer.safetensors")
    save_file(_random_states(), folder / "random.safetensors")
    write_lines(folder / METRICS, points)
    (folder / _STATE).write_bytes(State(step=len(points)).to_bytes())
    store.save(f"step-{len(points):06d}", folder)
    for name in store.names()[:-KEPT]:
        store.drop(name)


def restore_checkpoint(
    store: CheckpointStore, parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer
) -> list[TrainingPoint]:
    """Restore weights, optimizer and random generators from the newest checkpoint; return its points.

    Raises:
        IntegrityError: the checkpoint is damaged or belongs to another model.
        NewerFormat: a newer program wrote it.
    """
    names = store.names()
    if not names:
        return []
    folder = store.load(names[-1])
    State.read(folder / _STATE)
    weights = load_file(folder / "weights.safetensors")
    if set(weights) != set(parameters):
        raise IntegrityError(
            "The checkpoint was written by another version of this program.",
            where=names[-1],
            remedy="remove the stage's checkpoints to train from the start",
        )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(weights[name])
    _restore_optimizer(parameters, optimizer, load_file(folder / "optimizer.safetensors"))
    _restore_random_states(load_file(folder / "random.safetensors"))
    return TrainingPoint.read_lines(folder / METRICS)


def _optimizer_tensors(parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{key}:{name}": value.detach().contiguous()
        for name, parameter in parameters.items()
        for key, value in optimizer.state[parameter].items()
    }


def _restore_optimizer(
    parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]
) -> None:
    for stored, value in tensors.items():
        key, _, name = stored.partition(":")
        parameter = parameters[name]
        device: Any = "cpu" if key == "step" else parameter.device
        optimizer.state[parameter][key] = value.to(device)


def _random_states() -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states |= {f"cuda:{index}": state for index, state in enumerate(torch.cuda.get_rng_state_all())}
    return states


def _restore_random_states(states: dict[str, Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            if f"cuda:{index}" in states:
                torch.cuda.set_rng_state(states[f"cuda:{index}"], index)
