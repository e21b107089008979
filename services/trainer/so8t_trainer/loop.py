"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from logging import Logger
from pathlib import Path
from typing import Any, Protocol

import torch
from torch.nn.functional import cross_entropy

from so8t_shared.config.training import Training
from so8t_shared.errors import ConfigError
from so8t_shared.results.training import TrainingPoint
from so8t_trainer.best import Best
from so8t_trainer.checkpoint import CheckpointStore, restore_checkpoint
from so8t_trainer.checkpoint_writer import CheckpointWriter
from so8t_trainer.course import is_over
from so8t_trainer.distributed.group import ALONE, Group
from so8t_trainer.encode import EncodedRow
from so8t_trainer.model import Trainee
from so8t_trainer.optimizers import make_optimizer
from so8t_trainer.pace import Pace
from so8t_trainer.packing import PackedRows, pack
from so8t_trainer.pet import pet_sum, pet_weight
from so8t_trainer.scaling import LossScale
from so8t_trainer.schedule import rate_factor, step_batches, total_steps
from so8t_trainer.validation import ValidationRow, is_due, validate

_IDS_NAMED = 16
"""Rows that an error names."""


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


@dataclass(frozen=True)
class Pass:
    """One forward pass: some rows, packed."""

    rows: Sequence[EncodedRow]
    packed: PackedRows
    counts: bool = True
    """False where a process only keeps step with others whose weights it shares."""

    @property
    def label_targets(self) -> torch.Tensor:
        """Positions among the pass's targets of the tokens that decide."""
        starts = accumulate((len(row.completion) for row in self.rows), initial=0)
        found = [start + place for row, start in zip(self.rows, starts, strict=False) for place in row.label_tokens]
        return torch.tensor(found, dtype=torch.long, device=self.packed.targets.device)


def run_training(
    trainee: Trainee,
    rows: Sequence[EncodedRow],
    settings: Training,
    control: Control,
    validation: Sequence[ValidationRow] = (),
    observe: Callable[[TrainingPoint], None] = lambda point: None,
    group: Group = ALONE,
) -> list[TrainingPoint]:
    """Train `trainee` in place and return one point per optimizer step, including steps of earlier attempts.

    Resumes from the newest checkpoint with the same result as an uninterrupted run. `observe` gets every point,
    restored ones first. With `settings.keeps_best` the trainee ends with the weights of the best validation. All
    processes of `group` call this together, with the same rows, and each takes its part of every step.

    Raises:
        ConfigError: the loss is no longer finite.
        Interrupted: a stop was requested; a checkpoint has been saved.
        LeaseLost: another process took over the stage; no checkpoint was saved, because that process saves its own.
    """
    steps = total_steps(len(rows), settings)
    parameters = trainee.trainable()
    optimizer = make_optimizer(parameters, settings)
    scale = LossScale(optimizer, trainee.dtype, group.clip)
    restored = restore_checkpoint(control.checkpoints, parameters, optimizer, group)
    points, best = restored.points, Best(parameters, settings, restored)
    pace = Pace(steps, trainee.device)
    if not settings.shares_prefixes:
        control.log.info("each row draws its own LoRA dropout, so what prompts begin with is computed for each row")
    with CheckpointWriter(control.checkpoints, control.scratch_dir, settings, group=group) as writer:
        if points:
            control.log.info("resuming after step %d of %d", len(points), steps)
            with _explained(points, [], writer):
                _add_validation(trainee, points, validation, steps, settings, control, group)
            best.update(points)
        for point in points:
            observe(point)
        while not _ended(points, steps, settings):
            passes = _passes(trainee, rows, len(points), settings, group)
            with _explained(points, passes, writer):
                points.append(_take_step(trainee, optimizer, scale, passes, len(points), steps, settings, group))
                _add_validation(trainee, points, validation, steps, settings, control, group)
            point = points[-1]
            best.update(points)
            observe(point)
            control.progress(point.step, steps, pace.message(point))
            control.check_held()
            writer.check()
            stopped = group.any(control.stop_requested)
            ended = _ended(points, steps, settings) or stopped
            if group.any(ended or writer.is_due(point.step)):
                writer.save(parameters, optimizer, points, best.other_weights(points))
                if ended:
                    writer.wait()
                if stopped:
                    control.check_interrupted()
    best.apply(points)
    if trainee.gates is not None:
        with torch.no_grad():
            trainee.gates.refresh()
    return points


def _passes(trainee: Trainee, rows: Sequence[EncodedRow], step: int, settings: Training, group: Group) -> list[Pass]:
    """Return this process's passes of optimizer step `step` (from 0)."""
    options: dict[str, Any] = {"share": settings.shares_prefixes, "attention_dtype": trainee.attention_dtype}
    batches = step_batches(rows, step, settings, trainee.long_above, group.share)
    passes = [Pass(chosen, pack(chosen, **options).to(trainee.device)) for chosen in batches]
    if group.sharded:
        idle = Pass([], pack(rows[:1], **options).to(trainee.device), counts=False)
        passes += [idle] * (group.most(len(passes)) - len(passes))
    return passes


def _ended(points: Sequence[TrainingPoint], steps: int, settings: Training) -> bool:
    return len(points) >= steps or is_over(points, settings)


def _take_step(
    trainee: Trainee,
    optimizer: torch.optim.Optimizer,
    scale: LossScale,
    passes: list[Pass],
    step: int,
    steps: int,
    settings: Training,
    group: Group,
) -> TrainingPoint:
    """Take optimizer step `step` (from 0) of `steps`, on the rows of `passes`."""
    started = time.perf_counter()
    group.begin_step(settings.seed, step)
    factor = rate_factor(step, steps, settings)
    for parameters in optimizer.param_groups:
        parameters["lr"] = parameters["peak_lr"] * factor
    weight = pet_weight(step, steps, settings.pet)
    found, norm = _Objective(math.nan, None, math.nan, 0, []), math.nan
    for factor_of_loss in scale.attempts():
        found = _accumulate_gradients(trainee, passes, weight, factor_of_loss, group)
        norm = scale.clip(trainee.trainable().values(), settings.max_grad_norm)
    if not math.isfinite(found.loss + weight * found.pet + norm):
        raise _NotFiniteError("the loss or its gradient", step + 1, found.broken)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return TrainingPoint(
        step=step + 1,
        loss=found.loss,
        decision_loss=found.decision_loss,
        pet=found.pet,
        pet_lambda=weight,
        learning_rate=settings.learning_rate * factor,
        grad_norm=norm,
        tokens=found.tokens,
        seconds=time.perf_counter() - started,
    )


def _add_validation(
    trainee: Trainee,
    points: list[TrainingPoint],
    rows: Sequence[ValidationRow],
    steps: int,
    settings: Training,
    control: Control,
    group: Group,
) -> None:
    """Add the validation that is due after the last step; a stop ends it, and the resumed training makes up for it."""
    last = points[-1]
    if not rows or last.validation is not None or not is_due(last.step, steps, len(rows), settings):
        return
    found = validate(trainee, rows, stop=lambda: control.stop_requested, group=group)
    if found is None:
        return
    if not math.isfinite(found.loss + found.decision_loss):
        raise _NotFiniteError("after it, the loss on the validation rows", last.step)
    points[-1] = last.model_copy(update={"validation": found})


@dataclass(frozen=True)
class _Objective:
    """A step's figures: means over tokens, rows and triples."""

    loss: float
    decision_loss: float | None
    pet: float
    tokens: int
    broken: list[Pass]
    """Passes with a loss that is not finite."""


def _accumulate_gradients(
    trainee: Trainee, passes: list[Pass], pet_lambda: float, scale: float, group: Group
) -> _Objective:
    """Accumulate the gradients of the step's objective times `scale`; return the objective's parts.

    Means are taken over the whole step, so splitting it into more passes, or over processes, changes nothing.
    """
    counted = [one for one in passes if one.counts]
    targets, triples, rows, tokens = group.totals(
        [
            sum(one.packed.total_weight for one in counted),
            sum(one.packed.triples for one in counted),
            sum(bool(row.label_tokens) for one in counted for row in one.rows),
            sum(one.packed.tokens for one in counted),
        ]
    )
    triples = max(1.0, triples)
    if trainee.gates is not None:
        trainee.gates.refresh()
    sums = []
    for one in passes:
        losses, batch_pet = objective(trainee, one.packed)
        batch_loss = weighted_sum(losses, one.packed)
        part = batch_loss / targets + pet_lambda * batch_pet / triples
        (part * (scale if one.counts else 0.0)).backward()
        if not one.counts:
            continue
        decision = losses.detach().index_select(0, one.label_targets).sum()
        sums.append(torch.stack([batch_loss.detach(), decision, batch_pet.detach()]).tolist())
    if trainee.gates is not None:
        trainee.gates.collect_gradients()
    group.reduce_gradients(trainee.trainable().values())
    loss, decision_loss, pet = group.totals([sum(found[part] for found in sums) for part in range(3)])
    broken = [one for one, found in zip(counted, sums, strict=True) if not all(map(math.isfinite, found))]
    return _Objective(loss / targets, decision_loss / rows if rows else None, pet / triples, int(tokens), broken)


def weighted_sum(losses: torch.Tensor, batch: PackedRows) -> torch.Tensor:
    """Return the sum of the tokens' losses, each times its weight."""
    return losses.sum() if batch.weights is None else (losses * batch.weights).sum()


def objective(trainee: Trainee, batch: PackedRows) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the cross-entropy of each completion token and the summed PET of one forward pass.

    The head (a large part of a small model's compute) runs only where a token is predicted.
    """
    return trainee.run(_objective, trainee, batch)  # type: ignore[no-any-return]


def _objective(trainee: Trainee, batch: PackedRows) -> tuple[torch.Tensor, torch.Tensor]:
    states = trainee.hidden_states(input_ids=batch.input_ids, position_ids=batch.position_ids, rows=batch)[0]
    logits = trainee.logits(states.index_select(0, batch.predicting))  # pet_sum explains why not states[...]
    return cross_entropy(logits, batch.targets, reduction="none"), pet_sum(states, batch)


class _NotFiniteError(Exception):
    """A figure of a step is no longer finite."""

    def __init__(self, what: str, step: int, broken: Sequence[Pass] = ()) -> None:
        super().__init__(what)
        self.step = step
        self.broken = broken


@contextmanager
def _explained(points: Sequence[TrainingPoint], passes: Sequence[Pass], writer: CheckpointWriter) -> Iterator[None]:
    """Turn a figure that is not finite into an error with the step, its rows, and a checkpoint before the damage.

    The last of `points` may already have left weights that break the next step, so its checkpoint is not trusted.
    """
    try:
        yield
    except _NotFiniteError as error:
        ids = [row.id for one in (error.broken or passes) for row in one.rows]
        more = f" and {len(ids) - _IDS_NAMED} more" if len(ids) > _IDS_NAMED else ""
        raise ConfigError(
            f"Training diverged in step {error.step}: {error} is not finite. Its rows:"
            f" {', '.join(ids[:_IDS_NAMED]) or 'unknown'}{more}."
            f" Last good checkpoint: {writer.newest(before=len(points)) or 'none'}.",
            where="training.learning_rate",
            remedy="lower it (or training.pet.lambdas), or set training.dtype to float32;"
            " if it stays, look at these rows",
        ) from error
