"""Runs the stages of a run as Ray tasks, with the resources of the table of stages, and with retries."""

from __future__ import annotations

import os
import threading
from typing import Any, Self

import ray
from ray.exceptions import RayError, RayTaskError, TaskCancelledError

from so8t_ray.cluster import check_store_is_shared, demands, hosts, join
from so8t_ray.mailbox import open_mailbox
from so8t_ray.sharing import is_shared
from so8t_ray.task import Ended, EndedEarly, Task, run_stage
from so8t_shared.artifacts.fingerprints import Key
from so8t_shared.config.model import Config
from so8t_shared.errors import Interrupted
from so8t_shared.redaction import presentable
from so8t_shared.running.events import Event
from so8t_shared.running.executor import Hearing
from so8t_shared.sessions.session import Session
from so8t_shared.stages import Stage
from so8t_shared.store.base import ArtifactStore

_LOOK_S = 0.25
_WAITING_S = 10.0
"""After that long in Ray's queue, people are told."""


def open_ray(config: Config, store: ArtifactStore) -> RayExecutor:
    """Join or start a cluster.

    Raises:
        ServerError: it does not answer.
        InputError: a host does not see the store.
    """
    return RayExecutor(config, store)


class RayExecutor:
    """Starts stages as tasks."""

    def __init__(self, config: Config, store: ArtifactStore) -> None:
        self._config = config
        self._joined_before = ray.is_initialized()
        join(config.execution.ray)
        try:
            check_store_is_shared(store)
            self._mailbox = open_mailbox()
        except BaseException:
            self.__exit__()
            raise

    def start(self, stage: Stage, session: Session, key: Key, hear: Hearing) -> RayStage:
        """Start a task; see `Executor.start`."""
        task = Task(
            stage=stage.name,
            work=stage.work,
            config=session.config.model_dump_json(),
            session=session.session_id,
            created=session.created,
            key=key,
            folder=os.getcwd(),  # noqa: PTH109 - a path's text
        )
        needs = demands(stage, self._config, hosts())
        if stage.name == "evaluate" and is_shared(self._config):
            needs = {"num_cpus": 0, "num_gpus": 0, "memory": 0}  # its evaluators hold them
        return RayStage(stage, task, needs, self._config.execution.ray.retries, self._mailbox, hear)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the cluster; one that was started here ends."""
        if not self._joined_before:
            ray.shutdown()


class RayStage:
    """One task; passes its events to `hear`, then None when it has ended."""

    def __init__(
        self, stage: Stage, task: Task, needs: dict[str, float], retries: int, mailbox: Any, hear: Hearing
    ) -> None:
        self.stage = stage
        self.was_asked = False
        self._mailbox = mailbox
        self._needs = needs
        self._ended: Ended | None = None
        options = {**needs, "max_retries": retries, "retry_exceptions": [EndedEarly]}
        remote = ray.remote(run_stage).options(**options, name=f"{stage.name} {task.session}")
        self._task = remote.remote(task, mailbox)
        self._follower = threading.Thread(target=self._follow, args=(hear,), daemon=True)
        self._follower.start()

    @property
    def last_error(self) -> str:
        """The last error that it reported, or how the task was lost."""
        return self._ended.last_error if self._ended else ""

    def ask_to_stop_once(self) -> None:
        """Have the task stop its process; one that still waits for a host is canceled."""
        if self.was_asked:
            return
        self.was_asked = True
        if not ray.get(self._mailbox.stop.remote(self.stage.name)):
            ray.cancel(self._task)

    def wait(self) -> int:
        """Wait for the task to end; return its stage's exit code, or minus a signal's number."""
        self._follower.join()
        return self._ended.code if self._ended else 1

    def last_output(self) -> str:
        """The last output of the process, without secrets."""
        return self._ended.last_output if self._ended else ""

    def _follow(self, hear: Hearing) -> None:
        try:
            self._ended = self._until_ended(hear)
        except RayError as error:  # the cluster itself is gone
            self._ended = _lost(error)
        finally:
            hear(self.stage.name, None)

    def _until_ended(self, hear: Hearing) -> Ended:
        waited_s, begun = 0.0, False
        while True:
            over, _ = ray.wait([self._task], timeout=_LOOK_S)
            events: list[Event] = ray.get(self._mailbox.take.remote(self.stage.name))
            begun = begun or bool(events)
            waited_s += _LOOK_S
            if not begun and not over and waited_s == _WAITING_S:
                hear(self.stage.name, Event(self.stage.name, "waiting", f"waiting for a host with {self._wanted()}"))
            for event in events:
                hear(self.stage.name, event)
            if over:
                return self._result()

    def _wanted(self) -> str:
        gpus = f", {self._needs['num_gpus']:.0f} free GPUs" if self._needs["num_gpus"] else ""
        return f"{self._needs['num_cpus']:.0f} free cores{gpus} and {self._needs['memory'] / 2**30:.0f} GiB"

    def _result(self) -> Ended:
        try:
            ended: Ended = ray.get(self._task)
        except TaskCancelledError:
            return Ended(Interrupted.exit_code)
        except RayTaskError as error:
            cause = error.cause
            return cause.ended if isinstance(cause, EndedEarly) else _lost(error)
        except RayError as error:
            return _lost(error)
        return ended


def _lost(error: RayError) -> Ended:
    """The end of a task that Ray lost more often than it may retry."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    what = presentable(f"Ray lost the stage: {type(error).__name__}: {lines[0] if lines else ''}")
    return Ended(
        1, f"{what}\n  where: the Ray cluster\n  to do: see 'ray status', then run the same command again to resume"
    )
