"""The whole pipeline: one process per stage, in dependency order, on this machine or where its executor starts it.

A stage starts once this run has completed the stages that it needs, so it never follows an earlier
run's marker. A stage whose artifact is already committed is reused without starting a process.
"""

from __future__ import annotations

import queue
from contextlib import ExitStack
from dataclasses import dataclass, field

from so8t_shared.artifacts.fingerprints import Key
from so8t_shared.errors import Interrupted, So8tError, UpstreamError
from so8t_shared.interruption import StopSignal
from so8t_shared.processes import signal_name
from so8t_shared.running.events import ASIDE_PATIENCE_S, Event, Listeners, Scene, Work
from so8t_shared.running.executor import Executor, RunningStage, open_executor
from so8t_shared.running.runner import StageRun
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import Session
from so8t_shared.stages import Stage, under
from so8t_shared.store.base import ArtifactStore
from so8t_shared.tables.listeners import Kind

_FORWARDED: set[Kind] = {"waiting", "progress", "log"}
"""A child's events that are forwarded unchanged; the run itself reports the start and end."""


class StageFailed(So8tError):
    """A stage's process ended with an error; has that stage's exit code."""

    def __init__(self, what: str, *, where: str, remedy: str, exit_code: int) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.exit_code = exit_code


@dataclass
class PipelineRun:
    """One `so8t-ab run`."""

    store: ArtifactStore
    session: Session
    stages: list[Stage]
    listeners: Listeners
    stop: StopSignal
    jobs: int = 1
    executor: Executor | None = None
    """Starts the stages; by default the one that the session's configuration names, opened with the first stage."""
    computed: list[str] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)
    _to_run: set[str] = field(default_factory=set)
    """Stages that could not be reused and wait for a free job."""
    _running: dict[str, RunningStage] = field(default_factory=dict)
    _opened: ExitStack = field(default_factory=ExitStack)
    """The executor, if this run opened it."""
    _events: queue.Queue[tuple[str, Event | None]] = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        self.stages = under(self.session.config, self.stages)

    def run(self) -> None:
        """Run every stage that is not complete yet.

        Raises:
            StageFailed: a stage ended with an error.
            So8tError: a stage could not be started, or the store cannot be read.
            Interrupted: a signal came.

        In each case the other stages were asked to stop, saved their checkpoints and ended.
        """
        aside = self.store.patient(ASIDE_PATIENCE_S)
        self.listeners.open(Scene(self.stages, work=Work(self.session, self.store, aside)))
        for stage in self.stages:
            StageMarkers(self.store, self.session.session_id, stage.name).clear_failure()
        with ExitStack() as self._opened:
            try:
                self._run_all()
            finally:
                self._end_all()

    def _run_all(self) -> None:
        """Run until all stages are done or, after the first failure or a signal, until the running ones have ended."""
        waiting = list(self.stages)
        failure: So8tError | None = None
        while self._running or (waiting and not (failure or self.stop.is_set)):
            try:
                if failure or self.stop.is_set:
                    self._ask_all_to_stop()
                else:
                    self._start_ready(waiting)
                if self._running:
                    self._follow()
            except So8tError as error:
                failure = failure or error
        if failure:
            raise failure
        self.stop.check()

    def _end_all(self) -> None:
        """Wait for running stages after a bug: exiting now would kill a stage that is saving its checkpoint.

        (A child ends with its run. Nothing is shown, since the display may be what failed.)
        """
        self._ask_all_to_stop()
        for process in self._running.values():
            process.wait()

    def _start_ready(self, waiting: list[Stage]) -> None:
        """Start or reuse, in pipeline order, every stage whose needs are complete."""
        for stage in list(waiting):
            if not self._done.issuperset(need for need in stage.needs if need in self._names):
                continue
            free = len(self._running) < self.jobs
            if stage.name in self._to_run and not free:
                continue
            key = self._key_unless_reused(stage)
            if key is None:
                waiting.remove(stage)
                self.reused.append(stage.name)
                self._tell(stage.name, "reused")
            elif free:
                waiting.remove(stage)
                self._start(stage, key)
            else:
                self._to_run.add(stage.name)

    def _key_unless_reused(self, stage: Stage) -> Key | None:
        """None if the stage's artifact is committed, and marked now; else the stage's key."""
        listeners = self.listeners.logs_alone()  # no work starts
        run = StageRun(stage, self.session, self.store, listeners=listeners, stop=self.stop)
        try:
            return None if run.reuse_only() else run.key
        except Interrupted:
            raise
        except So8tError as error:  # the store cannot be read, for example
            self._tell(stage.name, "failed", error.what)
            raise

    @property
    def _done(self) -> set[str]:
        return {*self.computed, *self.reused}

    @property
    def _names(self) -> set[str]:
        return {stage.name for stage in self.stages}

    def _start(self, stage: Stage, key: Key) -> None:
        if self.executor is None:
            self.executor = self._opened.enter_context(open_executor(self.session, self.store))
        self._tell(stage.name, "started", stage.summary)
        self._running[stage.name] = self.executor.start(
            stage, self.session, key, lambda name, event: self._events.put((name, event))
        )

    def _tell(self, stage: str, kind: Kind, message: str = "") -> None:
        self.listeners.hear(Event(stage, kind, message))

    def _follow(self) -> None:
        """Show the next event, if one comes soon; close a stage whose process has ended.

        Raises:
            StageFailed: the stage ended with an error.
        """
        try:
            stage, event = self._events.get(timeout=0.2)
        except queue.Empty:
            return
        if event is None:
            self._close(stage, self._running.pop(stage))
        elif event.kind in _FORWARDED:
            self.listeners.hear(event)

    def _close(self, name: str, process: RunningStage) -> None:
        code = process.wait()
        asked = self.stop.is_set or process.was_asked
        if code == 0:
            self.computed.append(name)
            self._tell(name, "finished")
        elif asked and (code == Interrupted.exit_code or signal_name(code) == "SIGTERM"):
            # plain SIGTERM ends a stage that was stopped before it had anything to save
            self._tell(name, "interrupted", "its work so far is saved")
        elif code == Interrupted.exit_code:
            self._tell(name, "interrupted", "its work so far is saved")
            raise _failed(
                f"{name} was stopped by another process.", process, "run the same command again to resume", code
            )
        else:
            self._tell(name, "failed")
            raise self._failure(name, process, code)

    def _failure(self, name: str, process: RunningStage, code: int) -> StageFailed:
        if by := signal_name(code):
            remedy = "run again to resume; SIGKILL often means out of memory (see 'so8t-ab doctor')"
            return _failed(f"{name} was killed by {by}.", process, remedy, 1)
        marker = StageMarkers(self.store, self.session.session_id, name).failed()
        if marker is None and process.last_error:
            what, _, rest = process.last_error.partition("\n  where: ")
            where, _, remedy = rest.partition("\n  to do: ")
            return StageFailed(f"{name} failed: {what}", where=where, remedy=remedy, exit_code=code)
        if marker is None:
            return _failed(f"{name} exited with code {code}.", process, "run only this stage with --debug", code)
        where = marker.where or f"stage {name}"
        return StageFailed(f"{name} failed: {marker.what}", where=where, remedy=marker.remedy, exit_code=code)

    def _ask_all_to_stop(self) -> None:
        for process in self._running.values():
            process.ask_to_stop_once()


def _failed(what: str, process: RunningStage, remedy: str, code: int) -> StageFailed:
    tail = "\n    ".join(process.last_output().splitlines()[-8:])
    return StageFailed(what, where=f"its last output:\n    {tail or '(none)'}", remedy=remedy, exit_code=code)


def check_selection(stages: list[Stage], store: ArtifactStore, session: Session) -> None:
    """Check that the session has completed every needed stage that is left out.

    Raises:
        UpstreamError: names one that it has not.
    """
    names = {stage.name for stage in stages}
    for stage in under(session.config, stages):
        for need in stage.needs:
            if need not in names and StageMarkers(store, session.session_id, need).completed() is None:
                raise UpstreamError(
                    f"{stage.name} needs {need}, which this session has not completed.",
                    where=f"session {session.session_id}",
                    remedy=f"run {need} first, or start from it: --from {need}",
                )
