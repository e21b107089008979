"""Entry point of every service: `python -m so8t_<service> STAGE`, the same in a container and here."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from so8t_shared.config.load import load_config
from so8t_shared.distribution import need_extras
from so8t_shared.errors import ConfigError, Interrupted, So8tError
from so8t_shared.interruption import StopSignal, end_with_parent
from so8t_shared.privacy import private_files
from so8t_shared.processes import check_stages_can_run
from so8t_shared.redaction import without_secrets
from so8t_shared.running.context import StageFunction
from so8t_shared.running.events import EventSink, SinkHandler
from so8t_shared.running.runner import StageRun
from so8t_shared.sessions.session import Session, config_digest, named_session, open_session
from so8t_shared.stages import stage_named
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.open import open_store

_OPENMP = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "2000"}
"""How OpenMP's threads wait for each other: a few microseconds awake, then asleep. By default they spin for long,
and one busy neighbor on the machine makes a training step or an answer take ten times as long; without any spinning
small models lose a third of their speed. Read when the library is loaded, so set before that."""


def service_main(functions: dict[str, str], argv: Sequence[str] | None = None) -> int:
    """Run one of a service's stages and return its exit code.

    `functions` maps a stage's name to 'module:function'; the module is imported only once the
    stages before it are complete, so that a waiting container costs nothing.
    """
    with private_files():
        return _serve(functions, argv)


def _serve(functions: dict[str, str], argv: Sequence[str] | None) -> int:
    os.environ.update({name: value for name, value in _OPENMP.items() if name not in os.environ})
    end_with_parent()
    arguments = _parser(functions).parse_args(argv)
    sink, stop = EventSink(), StopSignal()
    stop.install()
    logging.getLogger("so8t.store").addHandler(SinkHandler(sink))  # outages, told where the stage's own lines go
    try:
        check_stages_can_run(f"stage {arguments.stage}")
        need_extras([stage_named(arguments.stage).module])
        store, session = _open(arguments, stop)
    except So8tError as error:
        return _report(error, debug=arguments.debug)
    run = StageRun(stage_named(arguments.stage), session, store, sink=sink, stop=stop)
    try:
        outcome = run.run(_loader(functions[arguments.stage]), patience_s=arguments.wait_s)
    except Interrupted as error:
        run.reporter.state("interrupted")
        return _report(error, debug=arguments.debug)
    except So8tError as error:
        return _fail(run, error, debug=arguments.debug)
    except Exception as error:  # noqa: BLE001 - the last line: everything else is a defect and says so
        return _fail(run, error, debug=arguments.debug)
    if not sink.is_heard:
        _announce(arguments.stage, session, reused=outcome.reused)
    return 0


def _announce(stage: str, session: Session, *, reused: bool) -> None:
    from so8t_shared.running.announce import announce  # rich and the results' schema: not while waiting

    announce(stage, session, reused=reused)


def _fail(run: StageRun, error: Exception, *, debug: bool) -> int:
    try:
        run.record_failure(error)
        run.reporter.state("failed")
    except So8tError as second:  # the store itself may be what failed
        _report(second, debug=debug)
    return _report(error, debug=debug)


def _report(error: Exception, *, debug: bool) -> int:
    text = "".join(traceback.format_exception(error)) if debug else ""
    if isinstance(error, So8tError):
        text += "\n".join(error.lines())
    else:
        text += f"Unexpected {type(error).__name__}: {error}\n  to do: run again with --debug"
    print(without_secrets(text), file=sys.stderr, flush=True)
    return error.exit_code if isinstance(error, So8tError) else 1


def _open(arguments: argparse.Namespace, stop: StopSignal) -> tuple[ArtifactStore, Session]:
    config = load_config(arguments.config, arguments.set)
    if arguments.expect not in {"", config_digest(config)}:
        raise ConfigError(
            "The configuration was changed while the run was going on.",
            where=str(arguments.config),
            remedy="start the run again: it takes the new configuration and reuses what still fits",
        )
    # as patient as in the middle of the work: a stage that a container starts again during an outage is to see its end
    store = open_store(config, first_contact_s=config.store.retry_s, check=stop.check)
    while_wanted = store.checked(stop.check)
    if not arguments.session:
        return store, open_session(while_wanted, config)
    return store, named_session(while_wanted, arguments.session, config)


def _loader(target: str) -> Callable[[], StageFunction]:
    def load() -> StageFunction:
        module, name = target.split(":")
        function: StageFunction = getattr(importlib.import_module(module), name)
        return function

    return load


def _parser(functions: dict[str, str]) -> argparse.ArgumentParser:
    stages = sorted(functions)
    package = functions[stages[0]].partition(".")[0]
    description = "Run one stage of the SO8T-AB pipeline."
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description=description)
    only = {"nargs": "?", "default": stages[0]} if len(stages) == 1 else {}
    parser.add_argument("stage", choices=stages, help="the stage to run", **only)  # type: ignore[arg-type]
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        default=os.environ.get("SO8T_CONFIG"),
        required="SO8T_CONFIG" not in os.environ,
        help="configuration file (or SO8T_CONFIG)",
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override one key, dotted")
    parser.add_argument("--session", default=os.environ.get("SO8T_SESSION", ""), help="session (or SO8T_SESSION)")
    parser.add_argument(
        "--wait-s",
        type=float,
        default=os.environ.get("SO8T_WAIT_S", "0"),
        help="seconds to wait for the stages before this one (or SO8T_WAIT_S)",
    )
    parser.add_argument("--expect", default="", help=argparse.SUPPRESS)  # digest of the run's configuration
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser
