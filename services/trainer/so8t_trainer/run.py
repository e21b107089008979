"""The train stage: data, model, loop, and the resulting folder."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import torch

from so8t_shared.config.layers import compact
from so8t_shared.config.model import Config
from so8t_shared.config.training import Training
from so8t_shared.host import host_name
from so8t_shared.json_files import write_json, write_lines
from so8t_shared.models import rotation as so8
from so8t_shared.places import in_container
from so8t_shared.results.training import TENSORBOARD, TrainingPoint, TrainingResult
from so8t_trainer.base import check_base
from so8t_trainer.checkpoint import METRICS
from so8t_trainer.course import best_step, is_over, weights_step
from so8t_trainer.distributed.job import Job, trained_folder
from so8t_trainer.distributed.leader import processes_of, train_together
from so8t_trainer.encode import EncodedRow
from so8t_trainer.fit import Fit
from so8t_trainer.gates import layer_of
from so8t_trainer.hardware import choose_device, choose_dtype, device_name, peak_bytes
from so8t_trainer.loading import LoadedRows, load_rows
from so8t_trainer.loop import Control, run_training
from so8t_trainer.merge import Changes, gate_blocks, merge_checkpoint
from so8t_trainer.model import Method, load_trainee
from so8t_trainer.pace import memory_bytes
from so8t_trainer.schedule import total_steps
from so8t_trainer.shortage import explained_shortage, fit_rows
from so8t_trainer.tracking import Tracking, check_trackers
from so8t_trainer.trained import read_trained, save_trained, write_settings
from so8t_trainer.validation import ValidationRow


class TrainingControl(Control, Protocol):
    """The loop's environment plus the output folder and the session's name."""

    @property
    def output_dir(self) -> Path: ...
    @property
    def session_id(self) -> str: ...


Observer = Callable[[TrainingPoint, int, int], None]
"""Told of each step with the number of all steps and the bytes that training holds; restored steps come first."""


def train_model(
    config: Config,
    control: TrainingControl,
    observe: Observer = lambda point, steps, memory_bytes: None,
    *,
    prepared: Path | None = None,
) -> TrainingResult:
    """Train model B from its base and fill `control.output_dir`; `prepared` is as for `load_rows`.

    Writes splits/, data_report.json, training_config.yaml, metrics.jsonl, training.json, adapter/
    (unless all weights are trained), gates.safetensors (unless gates are off), tensorboard/ (unless it is not in
    training.report_to), and merged/.

    Raises:
        InputError: the data or the base is unusable.
        ConfigError: the device is not available, or training diverged.
        Interrupted: a stop was requested; the next call resumes.
    """
    base, output = Path(config.base_of_b.base_model), control.output_dir
    device = choose_device(config.device)
    dtype = choose_dtype(config.training.dtype, device)
    check_base(base)
    check_trackers(config.training.report_to)
    loaded = load_rows(config, base, control.log, partial(_advance, control), prepared)
    control.check_interrupted()

    trained = _train(config, loaded.rows, loaded.validation, control, device, dtype, observe)
    gc.collect()  # wrappers and model are in a reference cycle, and merging needs the model's memory

    write_lines(output / METRICS, trained.points)
    _write_data(output, loaded)
    merge_checkpoint(base, trained.changes, output / "merged", partial(_advance, control, message="merging"))
    result = _result(trained, len(loaded.rows), len(loaded.validation))
    write_json(output / "training.json", result)
    return result


def split_only(config: Config, control: TrainingControl, *, prepared: Path | None = None) -> None:
    """Write splits/ and data_report.json, for an external model B; model A's tokenizer measures the rows.

    Raises:
        InputError: the data is unusable.
        Interrupted: a stop was requested.
    """
    base = Path(config.base_of_b.base_model)
    _write_data(control.output_dir, load_rows(config, base, control.log, partial(_advance, control), prepared))


@dataclass(frozen=True)
class _Trained:
    """The parts of a trained model that merging and the result need, without the model itself."""

    changes: Changes
    points: list[TrainingPoint]
    settings: Training
    """As used, without `auto`."""
    method: Method
    dtype: str
    device: str
    trainable_parameters: int
    total_parameters: int
    predicted_memory_bytes: int
    peak_memory_bytes: int


def _train(
    config: Config,
    rows: list[EncodedRow],
    validation: list[ValidationRow],
    control: TrainingControl,
    device: torch.device,
    dtype: torch.dtype,
    observe: Observer,
) -> _Trained:
    """Load the base, train it, and write its adapter, gates and settings."""
    base, output = Path(config.base_of_b.base_model), control.output_dir
    fit = fit_rows(base, rows, config.training, device, dtype)
    settings = fit.settings
    control.log.info("memory: %s", "; ".join([fit.sentence(), *fit.why]))
    if processes_of(settings, device.type) * settings.hosts > 1:
        return _train_together(config, fit, rows, validation, control, device, dtype, observe)
    with explained_shortage(fit, device, control.checkpoints):
        trainee = load_trainee(base, settings, device, dtype)
    trainable, total = sum(p.numel() for p in trainee.trainable().values()), trainee.parameter_count()
    control.log.info(
        "%s on %s in %s: training %d of %d parameters",
        *(trainee.method, device_name(device), _type_name(dtype), trainable, total),
    )
    shown = settings.model_dump(mode="json", exclude={"config"})
    if "tensorboard" in settings.report_to and not in_container():
        control.log.info("to follow the curve: tensorboard --logdir %s", control.scratch_dir / TENSORBOARD)
    with (
        explained_shortage(fit, device, control.checkpoints),
        Tracking(settings.report_to, control.session_id, control.scratch_dir, shown, control.log) as tracking,
    ):
        steps = total_steps(len(rows), settings)

        def follow(point: TrainingPoint) -> None:
            tracking.log(point)
            observe(point, steps, memory_bytes(device))

        points = run_training(trainee, rows, settings, control, validation, follow)
    if (control.scratch_dir / TENSORBOARD).is_dir():
        shutil.copytree(control.scratch_dir / TENSORBOARD, output / TENSORBOARD)
    control.check_interrupted()
    write_settings(output, settings, trainee)
    changes = save_trained(output, trainee, settings)
    return _Trained(
        changes=changes,
        points=points,
        settings=settings,
        method=trainee.method,
        dtype=_type_name(dtype),
        device=device_name(device),
        trainable_parameters=trainable,
        total_parameters=total,
        predicted_memory_bytes=fit.needed.total,
        peak_memory_bytes=peak_bytes(device),
    )


def _train_together(
    config: Config,
    fit: Fit,
    rows: list[EncodedRow],
    validation: list[ValidationRow],
    control: TrainingControl,
    device: torch.device,
    dtype: torch.dtype,
    observe: Observer,
) -> _Trained:
    """Train by several processes, and take over what the leading one wrote."""
    settings, output, folder = fit.settings, control.output_dir, control.scratch_dir / "together"
    processes, steps = processes_of(settings, device.type), total_steps(len(rows), settings)
    job = Job.of(
        rows,
        validation,
        base=config.base_of_b.base_model,
        settings=settings,
        device=device.type,
        dtype=_type_name(dtype),
        sharded=settings.shard_weights,
    )
    shown = settings.model_dump(mode="json", exclude={"config"})
    control.log.info("training by %d processes on each of %d hosts", processes, settings.hosts)
    with Tracking(settings.report_to, control.session_id, control.scratch_dir, shown, control.log) as tracking:

        def follow(point: TrainingPoint, held_bytes: int) -> None:
            tracking.log(point)
            observe(point, steps, held_bytes)

        outcome = train_together(folder, job, processes, control, follow)
    if (control.scratch_dir / TENSORBOARD).is_dir():
        shutil.copytree(control.scratch_dir / TENSORBOARD, output / TENSORBOARD)
    control.check_interrupted()
    return _Trained(
        changes=read_trained(trained_folder(folder), output, settings),
        points=outcome.points,
        settings=settings,
        method=cast(Method, outcome.method),
        dtype=_type_name(dtype),
        device=outcome.device,
        trainable_parameters=outcome.trainable_parameters,
        total_parameters=outcome.total_parameters,
        predicted_memory_bytes=fit.needed.total,
        peak_memory_bytes=outcome.peak_memory_bytes,
    )


def _write_data(output: Path, loaded: LoadedRows) -> None:
    write_json(output / "splits" / "targets.json", loaded.targets)
    loaded.data.write(output)


def _advance(control: TrainingControl, done: int, total: int, message: str) -> None:
    """Report progress, and stop here if a stop was requested."""
    control.progress(done, total, message)
    control.check_interrupted()


def _result(trained: _Trained, rows: int, validation_rows: int) -> TrainingResult:
    changes, points, settings = trained.changes, trained.points, trained.settings
    best, validated = best_step(points, settings), [p.validation for p in points if p.validation]
    measured: dict[str, float | None] = dict.fromkeys(
        ("orthogonality_error", "determinant_min", "determinant_max", "rotation_angle_max")
    )
    if changes.gates:
        blocks = gate_blocks(changes.gates, changes.rotation)
        determinants = [float(value) for value in np.linalg.det(blocks)]
        measured = {
            "orthogonality_error": so8.orthogonality_error(blocks),
            "determinant_min": min(determinants),
            "determinant_max": max(determinants),
            "rotation_angle_max": so8.rotation_angle(blocks),
        }
    return TrainingResult(
        method=trained.method,
        steps=len(points),
        rows=rows,
        rows_seen=len(points) * settings.rows_per_step,
        trainable_parameters=trained.trainable_parameters,
        total_parameters=trained.total_parameters,
        dtype=trained.dtype,
        device=trained.device,
        host=host_name(),
        seconds=sum(point.seconds for point in points),
        first_loss=points[0].loss if points else None,
        final_loss=points[-1].loss if points else None,
        validation_rows=validation_rows,
        best_step=best,
        best_validation=points[best - 1].validation if best else None,
        last_validation=validated[-1] if validated else None,
        weights_step=weights_step(points, settings),
        stopped_early=is_over(points, settings),
        base_bits=None if settings.base_memory == "full" else int(settings.base_bits),
        optimizer=settings.optimizer,
        gradient_checkpointing=settings.gradient_checkpointing is True,
        max_tokens_per_pass=settings.max_tokens_per_pass,
        predicted_memory_bytes=trained.predicted_memory_bytes,
        peak_memory_bytes=trained.peak_memory_bytes,
        gates=len(changes.gates),
        gate_layers=compact(layer_of(name) for name in changes.gates),
        **measured,
    )


def _type_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
