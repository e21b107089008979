"""The process that holds the lease: it starts torchrun's agent, and does for the ranks what needs the store."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from so8t_shared import errors
from so8t_shared.config.training import Training
from so8t_shared.errors import ConfigError, So8tError
from so8t_shared.processes import kill_group
from so8t_shared.processor import usable_cores
from so8t_shared.redaction import without_secrets
from so8t_shared.results.training import TrainingPoint
from so8t_trainer.distributed.job import JOB, Job, Outcome
from so8t_trainer.distributed.mailbox import Mailbox, Message
from so8t_trainer.loop import Control

RESTARTS = 5
"""Times that all ranks start again after one has died, from the newest checkpoint."""
_POLL_S = 0.02
_END_S = 60.0
_TAIL_LETTERS = 2000

Observer = Callable[[TrainingPoint, int], None]


def train_together(folder: Path, job: Job, processes: int, control: Control, observe: Observer) -> Outcome:
    """Train by `processes` ranks on this host, and ranks on other hosts if there are; `folder` is new.

    `observe` gets each point once, with the bytes that the leading rank holds.

    Raises:
        Interrupted: a stop was requested; a checkpoint has been saved.
        LeaseLost: another process took over the stage.
        ConfigError: training diverged, or ranks have died too often.
    """
    folder.mkdir(parents=True)
    (folder / JOB).write_text(job.model_dump_json(), encoding="utf-8")
    leader = _Leader(folder, control, observe)
    output = folder / "output.txt"
    with output.open("wb") as file:
        agent = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "so8t_trainer.distributed.agent",
                str(os.getpid()),
                *_arguments(folder, job, processes),
            ],
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": str(_threads(processes))},
            start_new_session=True,  # Ctrl-C reaches only the leader, which asks for a checkpoint first
        )
    try:
        leader.follow(agent)
    finally:
        _end(agent)
    if leader.outcome is None:
        control.check_interrupted()
        _fail(output, agent.returncode)
    return leader.outcome


class _Leader:
    def __init__(self, folder: Path, control: Control, observe: Observer) -> None:
        self.outcome: Outcome | None = None
        self._control = control
        self._observe = observe
        self._mailbox = Mailbox(folder)
        self._seen = 0

    def follow(self, agent: subprocess.Popen[bytes]) -> None:
        """Serve the ranks until the agent has ended."""
        running = True
        while running:
            running = agent.poll() is None  # asked before the messages, so that none is missed
            for name, message in self._mailbox.new():
                self._take(name, message)
            if self._control.stop_requested:
                self._mailbox.ask_to_stop()
            self._control.check_held()
            time.sleep(_POLL_S)

    def _take(self, name: str, message: Message) -> None:
        store = self._control.checkpoints
        match message:
            case {"kind": "names"}:
                self._mailbox.answer(name, store.names())
            case {"kind": "load", "name": checkpoint}:
                self._mailbox.answer(name, str(store.load(checkpoint)))
            case {"kind": "save", "name": checkpoint, "folder": folder}:
                if Path(folder).is_dir():  # else the rank that asked was killed, and another began
                    store.save(checkpoint, Path(folder))
                self._mailbox.answer(name, None)
            case {"kind": "drop", "name": checkpoint}:
                store.drop(checkpoint)
                self._mailbox.answer(name, None)
            case {"kind": "point", "point": told, "memory_bytes": held}:
                self._see(TrainingPoint.model_validate_json(told), held)
            case {"kind": "progress", "done": done, "total": total, "message": said}:
                self._control.progress(done, total, said)
            case {"kind": "log", "level": level, "message": said}:
                self._control.log.log(level, "%s", said)
            case {"kind": "failed", "error": kind, **values}:
                raise _error(kind, values)
            case {"kind": "done", "outcome": outcome}:
                self.outcome = Outcome.model_validate_json(outcome)

    def _see(self, point: TrainingPoint, held: int) -> None:
        """Pass a point on, unless ranks that started again repeat it."""
        if point.step > self._seen:
            self._seen = point.step
            self._observe(point, held)


def _error(kind: str, values: dict[str, Any]) -> So8tError:
    made: So8tError = getattr(errors, kind, ConfigError)(values["what"], where=values["where"], remedy=values["remedy"])
    return made


def _arguments(folder: Path, job: Job, processes: int) -> list[str]:
    settings = job.settings
    meeting = ["--standalone"]
    if settings.hosts > 1:
        endpoint = settings.rendezvous or f"{socket.gethostname()}:29400"
        meeting = ["--rdzv-backend=c10d", f"--rdzv-endpoint={endpoint}", f"--rdzv-id={RENDEZVOUS_ID}"]
        meeting += ["--rdzv-conf=is_host=1", f"--local-addr={endpoint.rpartition(':')[0]}"]
    return [
        *meeting,
        f"--nnodes={settings.hosts}",
        f"--nproc-per-node={processes}",
        f"--max-restarts={RESTARTS}",
        "--monitor-interval=0.1",
        *("-m", "so8t_trainer.distributed.worker", f"--job={folder}", f"--device={job.device}"),
    ]


RENDEZVOUS_ID = "so8t-ab"
"""The name of the group at its rendezvous."""


def processes_of(settings: Training, device: str) -> int:
    """Return the number of ranks on this host: one per GPU with `auto`, one on a CPU."""
    if settings.processes != "auto":
        return settings.processes
    import torch

    return max(1, torch.cuda.device_count()) if device == "cuda" else 1


def _threads(processes: int) -> int:
    """Return the threads of each rank: its share of the processors, or of what the user has set for one process."""
    return max(1, int(os.environ.get("OMP_NUM_THREADS") or usable_cores() // processes))


def _end(agent: subprocess.Popen[bytes]) -> None:
    """End the agent, which ends its ranks."""
    if agent.poll() is None:
        agent.terminate()
        try:
            agent.wait(_END_S)
        except subprocess.TimeoutExpired:
            kill_group(agent.pid)
            agent.wait()


def _fail(output: Path, code: int) -> NoReturn:
    tail = without_secrets(output.read_text(encoding="utf-8", errors="replace"))[-_TAIL_LETTERS:].strip()
    raise ConfigError(
        f"The processes that train together ended {RESTARTS + 1} times (exit code {code}): {tail}",
        where="training.processes",
        remedy="lower training.max_tokens_per_pass or training.processes if memory ran out; the next run resumes"
        " from the newest checkpoint",
    )
