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
from so8t_trainer.distributed.group import ALONE, Group
from so8t_trainer.distributed.shards import like, local, part_of, whole
from so8t_trainer.distributed.stored import StoredTensors, TensorFiles
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
        _write_progress(folder, self.points)


def _write_progress(folder: Path, points: list[TrainingPoint]) -> None:
    write_lines(folder / METRICS, points)
    (folder / _STATE).write_bytes(State(step=len(points)).to_bytes())


def write_together(
    folder: Path,
    parameters: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    points: list[TrainingPoint],
    best: Mapping[str, Tensor],
    leads: bool,
) -> None:
    """Write the checkpoint of weights that several processes share: they gather each tensor, the leading one writes.

    Only one whole tensor and one file of the checkpoint are in memory.
    """
    if leads:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        save_file(_random_states(), folder / "random.safetensors")
    gathered = {
        "weights": parameters,
        "optimizer": state_tensors(parameters, optimizer),
        "best": {name: like(best[name], parameter) for name, parameter in parameters.items() if best},
    }
    for stem, tensors in gathered.items():
        files = TensorFiles(folder, stem)
        for name, tensor in tensors.items():
            full = whole(tensor)
            if leads:
                files.add(name, full)
        files.finish()
    if leads:
        _write_progress(folder, points)


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
    """Return a contiguous copy in CPU memory of what this process holds."""
    return local(tensor).to("cpu", copy=True).contiguous()


def state_bytes(parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> int:
    """Return the size of a snapshot without the best weights."""
    tensors = [*parameters.values(), *state_tensors(parameters, optimizer).values()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def restore_checkpoint(
    store: CheckpointStore,
    parameters: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    group: Group = ALONE,
) -> Restored:
    """Restore weights, optimizer and random generators from the newest checkpoint, if there is one.

    It holds whole tensors, however many processes wrote it. The leading process of `group` reads it.

    Raises:
        IntegrityError: the checkpoint is damaged or belongs to another model.
        NewerFormat: a newer program wrote it.
    """
    name = group.text((store.names() or [""])[-1] if group.leads else None)
    if not name:
        return Restored()
    folder = _read(store, name) if group.leads else None
    weights = StoredTensors(folder, "weights", group)
    if set(weights) != set(parameters):
        raise IntegrityError(
            "The checkpoint was written by another version of this program.",
            where=name,
            remedy="remove the stage's checkpoints to train from the start",
        )
    set_weights(parameters, weights)
    restore_state(parameters, optimizer, StoredTensors(folder, "optimizer", group))
    if folder is not None:
        _restore_random_states(load_file(folder / "random.safetensors"))
    best = StoredTensors(folder, "best", group)
    kept = {name: part_of(best[name], parameter).clone() for name, parameter in parameters.items() if best}
    metrics = group.text((folder / METRICS).read_text(encoding="utf-8") if folder else None)
    return Restored([TrainingPoint.model_validate_json(line) for line in metrics.splitlines()], kept)


def _read(store: CheckpointStore, name: str) -> Path:
    folder = store.load(name)
    State.read(folder / _STATE)
    return folder


def set_weights(parameters: Mapping[str, nn.Parameter], weights: Mapping[str, Tensor]) -> None:
    """Copy weights, whole or the parts that this process holds, into the parameters of the same names."""
    with torch.no_grad():
        for name, parameter in parameters.items():
            local(parameter).copy_(part_of(weights[name], parameter))


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
