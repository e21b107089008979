"""One stage as a process: in a container, from `so8t-ab stage`, or as the child of a run."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable

from so8t_shared.artifacts.fingerprints import Key
from so8t_shared.config.model import Config
from so8t_shared.distribution import need_extras
from so8t_shared.endings import text_of
from so8t_shared.errors import Interrupted, So8tError
from so8t_shared.interruption import StopSignal
from so8t_shared.privacy import private_files
from so8t_shared.processes import check_stages_can_run
from so8t_shared.running.context import StageFunction
from so8t_shared.running.events import Listeners
from so8t_shared.running.logs import ToReporter
from so8t_shared.running.needs import need_others
from so8t_shared.running.progress import ProgressReporter
from so8t_shared.running.runner import StageRun
from so8t_shared.sessions.session import Session, named_session, open_session
from so8t_shared.stages import Stage
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.open import open_store

OPENMP = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "2000"}
"""How OpenMP threads wait for each other: they spin for a few microseconds, then sleep. By default they spin for long,
and one busy neighbor on the machine makes a training step or an answer ten times slower; without any spinning, small
models lose a third of their speed. OpenMP reads these when it is loaded, so they are set before that."""


def serve(
    stage: Stage,
    config: Callable[[], Config],
    session: str,
    listeners: Listeners,
    *,
    wait_s: float = 0.0,
    key: Key | None = None,
) -> tuple[Session, bool]:
    """Do a stage or reuse its artifact; return the session, and whether the artifact was reused.

    The stage's module is imported only once the stages that it needs are complete, so that a waiting container costs
    nothing. `session` is a name, or empty for the configuration's session. `key` is the stage's key, if known.

    Raises:
        So8tError: any subclass; any other exception is a bug. The failure is recorded for waiting stages.
    """
    os.environ.update({name: value for name, value in OPENMP.items() if name not in os.environ})
    stop = StopSignal()
    stop.install()
    reporter = ProgressReporter(listeners, stage.name)
    outages = ToReporter(reporter, "here")  # reported where the stage's own lines go
    logging.getLogger("so8t.store").addHandler(outages)
    try:
        with private_files():
            check_stages_can_run(f"so8t-ab stage {stage.name}")
            need_extras([stage.module])
            store, found = _open(config(), session, stop)
            run = StageRun(stage, found, store, listeners=listeners, stop=stop, key=key)
            return found, _run(run, wait_s)
    finally:
        logging.getLogger("so8t.store").removeHandler(outages)


def _run(run: StageRun, wait_s: float) -> bool:
    try:
        need_others(run.stage, run.session.config)
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
    except So8tError:  # the store itself may be what failed
        run.reporter.log("ERROR", text_of(error), audience="here")


def _open(config: Config, session: str, stop: StopSignal) -> tuple[ArtifactStore, Session]:
    # as patient as in the middle of the work: a container restarted during an outage should survive it
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
