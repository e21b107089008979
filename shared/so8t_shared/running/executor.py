"""Where a run's stages run: the interface between a run and a row of tables/executions.py."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from so8t_shared.artifacts.fingerprints import Key
from so8t_shared.distribution import need_extras
from so8t_shared.running.events import Event
from so8t_shared.sessions.session import Session
from so8t_shared.stages import Stage
from so8t_shared.store.base import ArtifactStore
from so8t_shared.tables import executions
from so8t_shared.tables.functions import named

Hearing = Callable[[str, Event | None], None]
"""Takes a stage's name and its event; None when the stage has ended."""


class RunningStage(Protocol):
    """A stage that was started."""

    stage: Stage

    @property
    def was_asked(self) -> bool:
        """Whether it has been asked to stop."""

    @property
    def last_error(self) -> str:
        """The last error that it reported, or why it could not be run; empty without one."""

    def ask_to_stop_once(self) -> None:
        """Ask it to save a checkpoint and end; returns at once, and only the first call counts."""

    def wait(self) -> int:
        """Wait for its end; return its exit code, or minus the signal's number if a signal ended it."""

    def last_output(self) -> str:
        """The last output of its process, without secrets."""


class Executor(AbstractContextManager["Executor"], Protocol):
    """Starts stages; leaving the context releases what it holds, after all stages have ended."""

    def start(self, stage: Stage, session: Session, key: Key, hear: Hearing) -> RunningStage:
        """Start a stage; `key` is its key, computed just now. `hear` is called from another thread.

        Raises:
            So8tError: it cannot be started.
        """


def open_executor(session: Session, store: ArtifactStore) -> Executor:
    """The executor of the session's configuration.

    Raises:
        MissingExtra: its packages are not installed.
        ServerError: a cluster cannot be reached.
    """
    target = executions.BY_NAME[session.config.execution.kind].open
    module = target.partition(":")[0]
    need_extras([module, module.partition(".")[0]])
    executor: Executor = named(target)(session.config, store)
    return executor
