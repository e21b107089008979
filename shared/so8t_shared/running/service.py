"""One stage as a process: in a container, by `so8t-ab stage`, or as the child of a run."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable

from so8t_shared.config.model import Config
from so8t_shared.distribution import need_extras
from so8t_shared.errors import Interrupted, So8tError
from so8t_shared.interruption import StopSignal
from so8t_shared.privacy import private_files
from so8t_shared.processes import check_stages_can_run
from so8t_shared.running.context import StageFunction
from so8t_shared.running.events import Listeners
from so8t_shared.running.logs import ToReporter
from so8t_shared.running.progress import ProgressReporter
from so8t_shared.running.runner import StageRun
from so8t_shared.sessions.session import Session, named_session, open_session
from so8t_shared.stages import Stage
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.open import open_store

_OPENMP = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "2000"}
"""How OpenMP's threads wait for each other: a few microseconds awake, then asleep. By default they spin for long,
and one busy neighbor on the machine makes a training step or an answer take ten times as long; without any spinning
small models lose a third of their speed. Read when the library is loaded, so set before that."""


def serve(
    stage: Stage, config: Callable[[], Config], session: str, listeners: Listeners, *, wait_s: float = 0.0
) -> tuple[Session, bool]:
    """Do a stage, or reuse what it would make; the session, and whether it was reused.

    The module of the stage's work is imported only once the stages before it are complete, so that a waiting
    container costs nothing. `session` is a name, or empty for the configuration's own.

    Raises:
        So8tError: any of its kinds, and anything else for a defect. The failure is recorded for those who wait.
    """
    os.environ.update({name: value for name, value in _OPENMP.items() if name not in os.environ})
    stop = StopSignal()
    stop.install()
    reporter = ProgressReporter(listeners, stage.name)
    outages = ToReporter(reporter, "here")  # told where the stage's own lines go
    logging.getLogger("so8t.store").addHandler(outages)
    try:
        with private_files():
            check_stages_can_run(f"so8t-ab stage {stage.name}")
            need_extras([stage.module])
            store, found = _open(config(), session, stop)
            run = StageRun(stage, found, store, listeners=listeners, stop=stop)
            return found, _run(run, wait_s)
    finally:
        logging.getLogger("so8t.store").removeHandler(outages)


def _run(run: StageRun, wait_s: float) -> bool:
    try:
        return run.run(_loader(run.stage.work), patience_s=wait_s).reused
    except Interrupted:
        run.reporter.tell("interrupted")
        raise
    except Exception as error:
        _record(run, error)
        raise


def _record(run: StageRun, error: Exception) -> None:
    try:
        run.record_failure(error)
        run.reporter.tell("failed")
    except So8tError as second:  # the store itself may be what failed
        run.reporter.log("ERROR", "\n".join(second.lines()), audience="here")


def _open(config: Config, session: str, stop: StopSignal) -> tuple[ArtifactStore, Session]:
    # as patient as in the middle of the work: a stage that a container starts again during an outage is to see its end
    store = open_store(config, first_contact_s=config.store.retry_s, check=stop.check)
    while_wanted = store.checked(stop.check)
    if not session:
        return store, open_session(while_wanted, config)
    return store, named_session(while_wanted, session, config)


def _loader(target: str) -> Callable[[], StageFunction]:
    def load() -> StageFunction:
        module, name = target.split(":")
        function: StageFunction = getattr(importlib.import_module(module), name)
        return function

    return load
