"""Tells receivers how the stages of this process end.

A run hears of all its stages; a stage in a container or of `so8t-ab stage` hears of itself. The children of a run tell
nothing. A stage whose artifact is reused is no news, and neither is an interruption.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from so8t_shared.notify.message import End, alert_of
from so8t_shared.notify.sending import Outbox
from so8t_shared.running.events import Event, Listener, Scene, Work
from so8t_shared.stages import STAGES, Stage


class Notifier(Listener):
    """Sends an alert for each stage that ends by its own work, and for the end of the run."""

    def __init__(self, outbox: Outbox, work: Work, stages: Sequence[Stage]) -> None:
        self._outbox = outbox
        self._work = work
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
    return Notifier(outbox, scene.work, scene.stages) if outbox else None
