"""Tells receivers how the stages of this process end.

A run hears of all its stages; a stage in a container or of `so8t-ab stage` hears of itself. The children of a run tell
nothing. A stage whose artifact is reused is no news, and neither is an interruption, nor the same failure again at
once: Docker restarts a container that failed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from so8t_shared.errors import So8tError
from so8t_shared.host import host_name, now
from so8t_shared.notify.message import End, alert_of
from so8t_shared.notify.sending import Outbox
from so8t_shared.running.events import Event, Listener, Scene, Work
from so8t_shared.sessions.markers import Failed, StageMarkers
from so8t_shared.stages import STAGES, Stage

_RESTARTED_WITHIN = timedelta(minutes=1)
"""A failure of this host that is no older when the stage starts means that the container was started again."""


class Notifier(Listener):
    """Sends an alert for each stage that ends by its own work, and for the end of the run."""

    def __init__(self, outbox: Outbox, work: Work, stages: Sequence[Stage], told: Failed | None = None) -> None:
        """`told` is the failure that the attempt right before this one has told."""
        self._outbox = outbox
        self._work = work
        self._told = told
        self._open = {stage.name for stage in stages}
        self._is_run = len(stages) > 1 or stages[0].name == STAGES[-1].name
        self._began: dict[str, float] = {}
        self._computed = False

    def hear(self, event: Event) -> None:
        """Send what the event means, in the background."""
        if event.kind == "started":
            self._began[event.stage] = time.monotonic()
            return
        self._computed |= event.kind == "finished"
        self._open.discard(event.stage)
        ends_run = self._is_run and self._computed and not self._open and event.kind != "failed"
        if event.kind == "reused" and not ends_run:
            return
        began = self._began.get(event.stage)
        end = End(
            event.stage,
            failed=event.kind == "failed",
            reused=event.kind == "reused",
            of_run=ends_run,
            told=self._told,
            heard=event.message,
            seconds=None if began is None else time.monotonic() - began,
        )
        work, wanted = self._work, self._work.session.config.notify.on
        self._outbox.send(lambda: alert_of(end, wanted, work.aside, work.session))

    def close(self) -> None:
        """Wait for what is on its way, for a short time."""
        self._outbox.close()


def open_notifier(scene: Scene) -> Notifier | None:
    """The notifier of this process; None if nobody is to be told."""
    assert scene.work
    outbox = Outbox.open(scene.work.session.config.notify)
    return Notifier(outbox, scene.work, scene.stages, _just_told(scene.work, scene.stages)) if outbox else None


def _just_told(work: Work, stages: Sequence[Stage]) -> Failed | None:
    """The failure with which a stage of its own has just ended here."""
    if len(stages) > 1:
        return None
    try:
        failed = StageMarkers(work.aside, work.session.session_id, stages[0].name).failed()
    except So8tError:  # the stage itself will say so
        return None
    if failed is None or failed.host != host_name():
        return None
    age = datetime.fromisoformat(now()) - datetime.fromisoformat(failed.time)
    return failed if age <= _RESTARTED_WITHIN else None
