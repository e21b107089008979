"""One rank, started by torchrun: `python -m so8t_trainer.distributed.worker [--job FOLDER] [--base FOLDER]`.

The ranks on the leader's host get --job; the first of them leads the others. --base says where the base lies on this
host, if elsewhere than on the leader's.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from so8t_shared.errors import Interrupted, So8tError
from so8t_shared.processes import end_with
from so8t_shared.results.training import TrainingPoint
from so8t_trainer.distributed.group import Ranks, start
from so8t_trainer.distributed.job import AGENT, JOB, OWN_STORE, Job, Outcome, trained_folder
from so8t_trainer.distributed.mailbox import Sender
from so8t_trainer.distributed.shards import mesh_of, shard
from so8t_trainer.hardware import device_name, peak_bytes
from so8t_trainer.loop import run_training
from so8t_trainer.model import Trainee, load_trainee
from so8t_trainer.pace import memory_bytes
from so8t_trainer.trained import write_settings, write_trained


class _AskedCheckpoints:
    """The leader's checkpoints; it alone may write to the store."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def names(self) -> list[str]:
        return list(self._sender.ask("names"))

    def save(self, name: str, folder: Path) -> None:
        self._sender.ask("save", name=name, folder=str(folder))

    def load(self, name: str) -> Path:
        return Path(self._sender.ask("load", name=name))

    def drop(self, name: str) -> None:
        self._sender.ask("drop", name=name)


class _NoCheckpoints:
    """A rank that does not lead gets its state from the one that does."""

    def names(self) -> list[str]:
        return []

    def save(self, name: str, folder: Path) -> None:
        raise NotImplementedError

    load: Any = save
    drop: Any = save


@dataclass
class RankControl:
    """The loop's surroundings in a rank; one that does not lead has no sender."""

    scratch_dir: Path
    log: logging.Logger
    sender: Sender | None

    @property
    def checkpoints(self) -> Any:
        return _AskedCheckpoints(self.sender) if self.sender else _NoCheckpoints()

    @property
    def stop_requested(self) -> bool:
        return self.sender is not None and self.sender.stop_requested

    def check_held(self) -> None:
        """Do nothing: the leader ends its ranks when it loses the lease."""

    def check_interrupted(self) -> None:
        """Raise Interrupted; the loop calls it once all ranks have agreed to stop."""
        raise Interrupted("the leader asked to stop")

    def progress(self, done: int, total: int, message: str = "") -> None:
        if self.sender:
            self.sender.tell("progress", done=done, total=total, message=message)

    def observe(self, point: TrainingPoint, device: torch.device) -> None:
        if self.sender:
            told = point.model_dump_json()
            self.sender.tell("point", point=told, memory_bytes=memory_bytes(device))


class _Forward(logging.Handler):
    """Sends the leading rank's log to the leader."""

    def __init__(self, sender: Sender) -> None:
        super().__init__()
        self._sender = sender

    def emit(self, record: logging.LogRecord) -> None:
        self._sender.tell("log", level=record.levelno, message=record.getMessage())


def main() -> None:
    """Train as one rank."""
    end_with(int(os.environ.get(AGENT) or os.getppid()), at_once=True)
    parser = argparse.ArgumentParser(description="One rank of a training; torchrun starts it.")
    parser.add_argument("--job", type=Path, help="the leader's folder; only on its host")
    parser.add_argument("--base", help="folder of the base on this host, if not the leader's path")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        parser.error(f"start torchrun with {OWN_STORE}=1 in its environment, or restarts would hang")
    number = int(os.environ["LOCAL_RANK"])
    device = torch.device(given.device, number) if given.device == "cuda" else torch.device("cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    start(device)
    leads = given.job is not None and number == 0
    sender = Sender(given.job) if leads else None
    try:
        _train(given.job, given.base, device, sender)
    except Interrupted:
        pass
    except So8tError as error:
        if sender is None:
            raise
        told = {"what": error.what, "where": error.where, "remedy": error.remedy}
        sender.tell("failed", error=type(error).__name__, **told)
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def _train(folder: Path | None, base: str | None, device: torch.device, sender: Sender | None) -> None:
    ranks = Ranks(device, leads=sender is not None, sharded=False)
    job = Job.model_validate_json(ranks.text((folder / JOB).read_text(encoding="utf-8") if folder and sender else None))
    ranks.sharded = job.sharded
    log = logging.Logger("so8t-ab.rank", logging.INFO)
    if sender:
        log.addHandler(_Forward(sender))
    trainee = _trainee(job, Path(base or job.base), device, ranks)
    total = trainee.parameter_count()
    rows, validation = job.encoded()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        control = RankControl(Path(scratch), log, sender)
        points = run_training(
            trainee, rows, job.settings, control, validation, lambda point: control.observe(point, device), ranks
        )
    target = trained_folder(folder) if folder and sender else None
    write_trained(target, trainee, job.settings)
    if sender and target:
        write_settings(target, job.settings, trainee)
        outcome = Outcome(
            points=points,
            method=trainee.method,
            device=f"{ranks.size} x {device_name(device)}",
            trainable_parameters=sum(p.numel() for p in trainee.trainable().values()),
            total_parameters=total,
            peak_memory_bytes=peak_bytes(device),
        )
        sender.tell("done", outcome=outcome.model_dump_json())


def _trainee(job: Job, base: Path, device: torch.device, ranks: Ranks) -> Trainee:
    dtype: torch.dtype = getattr(torch, job.dtype)
    if not job.sharded:
        return load_trainee(base, job.settings, device, dtype)
    mesh = mesh_of(device)

    def load() -> Trainee:
        trainee = load_trainee(base, job.settings, torch.device("cpu"), dtype)
        trainee.run = shard(trainee.causal_lm, mesh)
        trainee.device = device
        if trainee.gates is not None:
            trainee.gates.to(device)
        return trainee

    return ranks.in_turn(load)  # a host's memory need not hold the base once per GPU


if __name__ == "__main__":
    main()
