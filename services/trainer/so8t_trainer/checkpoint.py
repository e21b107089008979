"""Training checkpoints: everything that the next step depends on, as safetensors and JSON."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import torch
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from so8t_shared.documents import Document
from so8t_shared.errors import IntegrityError
from so8t_shared.json_files import write_lines
from so8t_shared.results.training import TrainingPoint
from so8t_trainer.optimizers import restore_state, state_tensors

METRICS = "metrics.jsonl"
"""One optimizer step per line."""

_STATE = "state.json"
_BEST = "best.safetensors"


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


@dataclass(frozen=True)
class Snapshot:
    """The state after a step; its tensors do not change when training continues, unless it is `live`."""

    weights: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    random: dict[str, Tensor]
    points: list[TrainingPoint]
    best: dict[str, Tensor]
    """Weights of the best validation; empty if they are not kept, or are `weights`."""

    @property
    def name(self) -> str:
        """The checkpoint's name."""
        return checkpoint_name(len(self.points))

    def write(self, folder: Path) -> None:
        """Write the checkpoint's files to a new folder."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        save_file(self.weights, folder / "weights.safetensors")
        save_file(self.optimizer, folder / "optimizer.safetensors")
        save_file(self.random, folder / "random.safetensors")
        if self.best:
            save_file(self.best, folder / _BEST)
        write_lines(folder / METRICS, self.points)
        (folder / _STATE).write_bytes(State(step=len(self.points)).to_bytes())


@dataclass
class Restored:
    """What a checkpoint says beside weights, optimizer and random generators."""

    points: list[TrainingPoint] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)


def checkpoint_name(step: int) -> str:
    """Return the name of the checkpoint after `step`; names sort as steps do."""
    return f"step-{step:06d}"


def take_snapshot(
    parameters: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    points: list[TrainingPoint],
    best: dict[str, Tensor] | None = None,
    *,
    live: bool = False,
) -> Snapshot:
    """Return the state after `len(points)` steps in CPU memory; if `live`, it is only valid until the next step."""
    copy: Callable[[Tensor], Tensor] = _view if live else cpu_copy
    return Snapshot(
        weights={name: copy(p) for name, p in parameters.items()},
        optimizer={name: copy(value) for name, value in state_tensors(parameters, optimizer).items()},
        random=_random_states(),
        points=list(points),
        best=best or {},
    )


def _view(tensor: Tensor) -> Tensor:
    return tensor.detach().contiguous()


def cpu_copy(tensor: Tensor) -> Tensor:
    """Return a contiguous copy in CPU memory."""
    return tensor.detach().to("cpu", copy=True).contiguous()


def state_bytes(parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> int:
    """Return the size of a snapshot without the best weights."""
    tensors = [*parameters.values(), *state_tensors(parameters, optimizer).values()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def restore_checkpoint(
    store: CheckpointStore, parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer
) -> Restored:
    """Restore weights, optimizer and random generators from the newest checkpoint, if there is one.

    Raises:
        IntegrityError: the checkpoint is damaged or belongs to another model.
        NewerFormat: a newer program wrote it.
    """
    names = store.names()
    if not names:
        return Restored()
    folder = store.load(names[-1])
    State.read(folder / _STATE)
    weights = load_file(folder / "weights.safetensors")
    if set(weights) != set(parameters):
        raise IntegrityError(
            "The checkpoint was written by another version of this program.",
            where=names[-1],
            remedy="remove the stage's checkpoints to train from the start",
        )
    set_weights(parameters, weights)
    restore_state(parameters, optimizer, load_file(folder / "optimizer.safetensors"))
    _restore_random_states(load_file(folder / "random.safetensors"))
    best = folder / _BEST
    return Restored(TrainingPoint.read_lines(folder / METRICS), load_file(best) if best.is_file() else {})


def set_weights(parameters: Mapping[str, nn.Parameter], weights: Mapping[str, Tensor]) -> None:
    """Copy weights into the parameters of the same names."""
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(weights[name])


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
