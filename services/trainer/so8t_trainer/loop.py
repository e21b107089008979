"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from logging import Logger
from pathlib import Path
from typing import Protocol

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from so8t_shared.config.training import Training
from so8t_shared.errors import ConfigError
from so8t_shared.results.training import TrainingPoint
from so8t_trainer.checkpoint import CheckpointStore, restore_checkpoint, save_checkpoint
from so8t_trainer.encode import EncodedRow
from so8t_trainer.gates import is_gate
from so8t_trainer.model import Trainee
from so8t_trainer.packing import PackedRows, pack
from so8t_trainer.pet import pet_sum, pet_weight
from so8t_trainer.schedule import rate_factor, step_batches, total_steps

_BETAS = (0.9, 0.95)
"""AdamW's decay rates. The usual second rate, 0.999, averages over a thousand steps: the large gradients from
learning the answer's format would suppress the small gradients of the decision for an entire short run."""


class Control(Protocol):
    """The loop's interface to its environment; a StageContext provides it."""

    @property
    def checkpoints(self) -> CheckpointStore: ...
    @property
    def scratch_dir(self) -> Path: ...
    @property
    def log(self) -> Logger: ...
    @property
    def stop_requested(self) -> bool: ...
    def check_held(self) -> None: ...
    def check_interrupted(self) -> None: ...
    def progress(self, done: int, total: int, message: str = "") -> None: ...


def run_training(
    trainee: Trainee, rows: Sequence[EncodedRow], settings: Training, control: Control
) -> list[TrainingPoint]:
    """Train `trainee` in place and return one point per optimizer step, including steps of earlier attempts.

    Resumes from the newest checkpoint with the same result as an uninterrupted run.

    Raises:
        ConfigError: the loss is no longer finite.
        Interrupted: a stop was requested; a checkpoint has been saved.
        LeaseLost: another process took over the stage; no checkpoint was saved, because that process saves its own.
    """
    steps = total_steps(len(rows), settings)
    parameters = trainee.trainable()
    optimizer = _optimizer(parameters, settings)
    points = restore_checkpoint(control.checkpoints, parameters, optimizer)
    if points:
        control.log.info("resuming after step %d of %d", len(points), steps)
    for step in range(len(points), steps):
        started = time.perf_counter()
        factor = rate_factor(step, steps, settings)
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * factor
        weight = pet_weight(step, steps, settings.pet)
        batches = [pack(batch).to(trainee.device) for batch in step_batches(rows, step, settings)]

        loss, pet = _accumulate_gradients(trainee, batches, weight)
        norm = float(nn.utils.clip_grad_norm_(parameters.values(), settings.max_grad_norm))
        _demand_finite(loss + weight * pet, norm, step)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

        points.append(
            TrainingPoint(
                step=step + 1,
                loss=loss,
                pet=pet,
                pet_lambda=weight,
                learning_rate=settings.learning_rate * factor,
                grad_norm=norm,
                tokens=sum(batch.tokens for batch in batches),
                seconds=time.perf_counter() - started,
            )
        )
        control.progress(step + 1, steps, f"loss {loss:.3f}")
        control.check_held()
        done = step + 1 == steps
        if done or control.stop_requested or (step + 1) % settings.checkpoint_every_steps == 0:
            save_checkpoint(control.checkpoints, control.scratch_dir, parameters, optimizer, points)
            control.check_interrupted()
    if trainee.gates is not None:
        with torch.no_grad():
            trainee.gates.refresh()
    return points


def _optimizer(parameters: Mapping[str, nn.Parameter], settings: Training) -> torch.optim.Optimizer:
    """Return AdamW with a separate parameter group for gates, without weight decay."""
    gates = [p for name, p in parameters.items() if is_gate(name)]
    others = [p for name, p in parameters.items() if not is_gate(name)]
    gate_rate = settings.gate_learning_rate or settings.learning_rate
    groups = [
        {"params": others, "peak_lr": settings.learning_rate, "weight_decay": settings.weight_decay},
        {"params": gates, "peak_lr": gate_rate, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=_BETAS)


def _accumulate_gradients(trainee: Trainee, batches: list[PackedRows], pet_lambda: float) -> tuple[float, float]:
    """Accumulate the gradients of the step's objective; return its parts (mean loss per token, mean PET per triple).

    Means are taken over the whole step, so splitting it into more passes changes nothing.
    """
    targets = sum(len(batch.targets) for batch in batches)
    triples = max(1.0, sum(batch.triples for batch in batches))
    if trainee.gates is not None:
        trainee.gates.refresh()
    loss, pet = 0.0, 0.0
    for batch in batches:
        batch_loss, batch_pet = objective(trainee, batch)
        part = batch_loss / targets + pet_lambda * batch_pet / triples
        part.backward()
        loss += float(batch_loss.detach()) / targets
        pet += float(batch_pet.detach()) / triples
    if trainee.gates is not None:
        trainee.gates.collect_gradients()
    return loss, pet


def objective(trainee: Trainee, batch: PackedRows) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the summed cross-entropy of the completion tokens and the summed PET of one forward pass.

    The head (a large part of a small model's compute) runs only where a token is predicted.
    """
    states = trainee.hidden_states(input_ids=batch.input_ids, position_ids=batch.position_ids, rows=batch)[0]
    logits = trainee.logits(states.index_select(0, batch.predicting))  # pet_sum explains why not states[...]
    return cross_entropy(logits, batch.targets, reduction="sum"), pet_sum(states, batch)


def _demand_finite(objective_value: float, norm: float, step: int) -> None:
    if not (math.isfinite(objective_value) and math.isfinite(norm)):
        raise ConfigError(
            f"Training diverged: the loss or its gradient is not finite in step {step + 1}.",
            where="training.learning_rate",
            remedy="lower it (or training.pet.lambdas), or set training.dtype to float32",
        )
