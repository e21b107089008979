"""The whole pipeline on one machine: each stage as a process, in the order of what it needs.

A stage starts once those it needs have been completed in this run, so it never follows a marker of
an earlier one. A stage whose artifact is already committed is reused without starting anything.
"""

from __future__ import annotations

import queue
import signal
from dataclasses import dataclass, field
from typing import Any

from so8t_shared.children import StageProcess
from so8t_shared.display import Display
from so8t_shared.errors import Interrupted, So8tError, UpstreamError
from so8t_shared.events import EventSink
from so8t_shared.interruption import StopSignal
from so8t_shared.markers import StageMarkers
from so8t_shared.runner import StageRun
from so8t_shared.sessions import Session
from so8t_shared.stages import Stage
from so8t_shared.store.base import ArtifactStore

_ENDED = {"type": "ended"}


class StageFailed(So8tError):
    """A stage's process ended with an error; carries that stage's own exit code."""

    def __init__(self, what: str, *, where: str, remedy: str, exit_code: int) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.exit_code = exit_code


@dataclass
class PipelineRun:
    """One `so8t-ab run`."""

    store: ArtifactStore
    session: Session
    stages: list[Stage]
    arguments: list[str]
    """Command line of every stage after its name: configuration, overrides, session."""
    display: Display
    stop: StopSignal
    jobs: int = 1
    computed: list[str] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)
    _must_run: set[str] = field(default_factory=set)
    _running: dict[str, StageProcess] = field(default_factory=dict)
    _events: queue.Queue[tuple[str, dict[str, Any]]] = field(default_factory=queue.Queue)

    def run(self) -> None:
        """Run every stage that is not complete yet.

        Raises:
            StageFailed: a stage ended with an error; the others were asked to stop.
            Interrupted: a signal came; the stages saved their checkpoints.
        """
        for stage in self.stages:
            StageMarkers(self.store, self.session.session_id, stage.name).clear_failure()
        try:
            self._run_all()
        finally:
            self._ask_all_to_stop()  # none is left running after an error of our own

    def _run_all(self) -> None:
        waiting = list(self.stages)
        failure: StageFailed | None = None
        while waiting or self._running:
            if failure is None and not self.stop.is_set:
                self._start_ready(waiting)
            if self._running:
                ended = self._next_end()
                if ended is not None:
                    closed = self._close(*ended)  # always: one that is not closed would be waited for for ever
                    failure = failure or closed
                if failure or self.stop.is_set:
                    self._ask_all_to_stop()
            if (failure or self.stop.is_set) and not self._running:
                break
        if failure:
            raise failure
        self.stop.check()

    def _start_ready(self, waiting: list[Stage]) -> None:
        """Start or reuse, in pipeline order, every stage whose needs are complete."""
        for stage in list(waiting):
            if not self._done.issuperset(need for need in stage.needs if need in self._names):
                continue
            if stage.name not in self._must_run and self._reuse(stage):
                waiting.remove(stage)
                self.reused.append(stage.name)
                self.display.state(stage.name, "reused")
                continue
            self._must_run.add(stage.name)
            if len(self._running) < self.jobs:
                waiting.remove(stage)
                self._start(stage)

    def _reuse(self, stage: Stage) -> bool:
        sink = _Quiet(self.display, stage.name)
        return StageRun(stage, self.session, self.store, sink=sink, stop=self.stop).reuse_only() is not None

    @property
    def _done(self) -> set[str]:
        return {*self.computed, *self.reused}

    @property
    def _names(self) -> set[str]:
        return {stage.name for stage in self.stages}

    def _start(self, stage: Stage) -> None:
        output = self.store.local_root / "output" / self.session.session_id / f"{stage.name}.txt"
        self.display.state(stage.name, "running", stage.summary)
        self._running[stage.name] = StageProcess(stage, self.arguments, output, self._listen)

    def _listen(self, stage: str, event: dict[str, Any] | None) -> None:
        self._events.put((stage, event or _ENDED))

    def _next_end(self) -> tuple[str, int] | None:
        """Show events for a moment; (stage, exit code) as soon as a process has ended."""
        try:
            stage, event = self._events.get(timeout=0.2)
        except queue.Empty:
            return None
        if event is not _ENDED:
            self.display.event(stage, event)
            return None
        return stage, self._running[stage].wait()

    def _close(self, name: str, code: int) -> StageFailed | None:
        process = self._running.pop(name)
        if code == 0:
            self.computed.append(name)
            self.display.state(name, "done")
            return None
        if code == Interrupted.exit_code:
            self.display.state(name, "interrupted", "its work so far is kept")
            if self.stop.is_set:
                return None
            return _failed(
                f"{name} was stopped by somebody else.", process, "run the same command again to go on", code
            )
        self.display.state(name, "failed")
        marker = StageMarkers(self.store, self.session.session_id, name).failed()
        if code < 0:
            by = signal.Signals(-code).name
            remedy = "run again to resume; SIGKILL often means that memory ran out (see 'so8t-ab doctor')"
            return _failed(f"{name} was ended by {by}.", process, remedy, 1)
        if marker is None:
            return _failed(f"{name} ended with exit code {code}.", process, "run the stage alone with --debug", code)
        where = marker.where or f"stage {name}"
        return StageFailed(f"{name} failed: {marker.what}", where=where, remedy=marker.remedy, exit_code=code)

    def _ask_all_to_stop(self) -> None:
        for process in self._running.values():
            process.ask_to_stop_once()


def _failed(what: str, process: StageProcess, remedy: str, code: int) -> StageFailed:
    tail = "\n    ".join(process.last_output().splitlines()[-8:])
    return StageFailed(what, where=f"its last output:\n    {tail or '(none)'}", remedy=remedy, exit_code=code)


class _Quiet(EventSink):
    """While looking for something to reuse, only warnings are worth showing."""

    def __init__(self, display: Display, stage: str) -> None:
        self._display = display
        self._stage = stage

    def log(self, level: str, message: str) -> None:
        self._display.event(self._stage, {"type": "log", "level": level, "message": message})

    def progress(self, *_: object) -> None:
        """Say nothing."""


def check_selection(stages: list[Stage], store: ArtifactStore, session: Session) -> None:
    """Refuse to start where a stage that was left out has never been completed.

    Raises:
        UpstreamError: naming it.
    """
    names = {stage.name for stage in stages}
    for stage in stages:
        for need in stage.needs:
            if need not in names and StageMarkers(store, session.session_id, need).completed() is None:
                raise UpstreamError(
                    f"{stage.name} needs {need}, which has not been completed in this session.",
                    where=f"session {session.session_id}",
                    remedy=f"run it first, or start from it: --from {need}",
                )
