"""Long work of a command that belongs to no session: shown as a stage is, and stopped by the same signals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from so8t_shared.errors import Interrupted
from so8t_shared.interruption import StopSignal
from so8t_shared.progress import Progress, with_time_left
from so8t_shared.running.events import Listeners, Scene
from so8t_shared.running.progress import ProgressReporter
from so8t_shared.stages import STAGES


@contextmanager
def shown(name: str, summary: str, left: str = "nothing was written") -> Iterator[tuple[Progress, StopSignal]]:
    """Show the work inside under that name; yields what reports its progress, and the signal that stops it.

    `left` says what a stopped command leaves.
    """
    stop = StopSignal()
    stop.install()
    with Listeners("stage").open(Scene([replace(STAGES[0], name=name, summary=summary)])) as listeners:
        reporter = ProgressReporter(listeners, name)
        reporter.tell("started")
        try:
            yield with_time_left(reporter.update), stop
        except Interrupted as error:
            reporter.tell("interrupted")
            raise Interrupted(f"Stopped by a signal; {left}.", remedy="run the same command again") from error
        except Exception:
            reporter.tell("failed")
            raise
        reporter.tell("finished")
