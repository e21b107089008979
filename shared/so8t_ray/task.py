"""The task that runs a stage on a host of the cluster: the same process as on the run's own host.

Artifacts travel through the store alone. The task keeps nothing: where its host is lost, Ray starts it on another one,
which takes over the stage's lease and resumes from its last checkpoint.
"""

from __future__ import annotations

import os
import queue
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty
from typing import Any

import ray

from so8t_ray.cluster import ADDRESS_VARIABLE
from so8t_shared.artifacts.fingerprints import Key
from so8t_shared.config.model import Config
from so8t_shared.errors import InputError, Interrupted
from so8t_shared.running.children import LocalExecutor, StageProcess
from so8t_shared.running.events import Event
from so8t_shared.sessions.session import Session
from so8t_shared.stages import stage_named

_TELL_S = 0.25
"""Pause between two exchanges with the run."""


@dataclass(frozen=True)
class Task:
    """What a task is to do; all of it can be sent to another host."""

    stage: str
    work: str
    config: str
    """JSON."""
    session: str
    created: str
    key: Key
    folder: str
    """The run's working folder, from which relative paths of the configuration lead."""


@dataclass(frozen=True)
class Ended:
    """How a stage's process ended, and on which host."""

    code: int
    last_error: str = ""
    last_output: str = ""
    host: str = ""


class EndedEarly(Exception):
    """The stage was stopped or killed, but not by the run: another attempt may succeed."""

    def __init__(self, ended: Ended) -> None:
        super().__init__(ended)
        self.ended = ended


def run_stage(task: Task, mailbox: Any) -> Ended:
    """Run the stage's process and pass on its events until it ends.

    Raises:
        EndedEarly: it was stopped or killed, and the run did not ask for that; Ray starts the task again.
    """
    if ray.get(mailbox.exchange.remote(task.stage, [])):
        return Ended(Interrupted.exit_code)
    try:
        os.chdir(task.folder)
    except OSError as error:
        what = InputError(
            "This host of the cluster does not have the run's working folder.",
            where=f"{os.uname().nodename}: {task.folder}",
            remedy="write absolute paths, and start the run from a folder that each host has",
        )
        return Ended(what.exit_code, last_error=str(what), last_output=str(error))
    os.environ[ADDRESS_VARIABLE] = ray.get_runtime_context().gcs_address  # for evaluators
    return _followed(task, mailbox)


def _followed(task: Task, mailbox: Any) -> Ended:
    events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
    config = Config.model_validate_json(task.config)
    stage = replace(stage_named(task.stage), work=task.work)
    executor = LocalExecutor(Path(config.checkpoint_dir))
    session = Session(task.session, config, task.created)
    process = executor.start(stage, session, task.key, lambda _, event: events.put(event))
    wanted = False
    try:
        over = False
        while not over:
            told, over = _since(events)
            if ray.get(mailbox.exchange.remote(task.stage, told)) and not wanted:
                wanted = True
                process.ask_to_stop_once()
    finally:
        process.ask_to_stop_once()  # the task was canceled, or its run is gone
        code = process.wait()
    ended = _ended(process, code)
    if not wanted and (code < 0 or code == Interrupted.exit_code):
        raise EndedEarly(ended)
    return ended


def _ended(process: StageProcess, code: int) -> Ended:
    return Ended(code, process.last_error, process.last_output(), os.uname().nodename)


def _since(events: queue.SimpleQueue[Event | None]) -> tuple[list[Event], bool]:
    """Events of the next moment, and whether the last one was among them."""
    told: list[Event] = []
    try:
        event = events.get(timeout=_TELL_S)
        while event is not None:
            told.append(event)
            event = events.get_nowait()
    except Empty:
        return told, False
    return told, True
