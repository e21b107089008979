"""`so8t-ab watch`: follow a session from another terminal or host, and ring when something ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError
from rich.live import Live

from so8t_shared.cli.common import ConfigOption, SetOption, Workspace, no_session, open_workspace
from so8t_shared.cli.status import status_table
from so8t_shared.config.model import Config
from so8t_shared.errors import GateRefused, Interrupted
from so8t_shared.escapes import visible
from so8t_shared.sessions.markers import Failed, StageMarkers
from so8t_shared.sessions.session import Session, config_digest, find_session, read_record
from so8t_shared.sessions.stage_state import StageState, is_over, states_of
from so8t_shared.store.base import ArtifactStore
from so8t_shared.terminal.console import err, out

if TYPE_CHECKING:
    from so8t_shared.notify.ringing import Ringer

States = dict[str, StageState]

_EVERY_S = 2.0
_SETTLE_S = 4.0
"""How long a failure must stand before it is the end: a container that is started again clears it at once."""


def watch(
    config: ConfigOption,
    session: Annotated[str, typer.Argument(envvar="SO8T_SESSION", help="By default the configuration's session.")] = "",
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    gate: Annotated[bool, typer.Option("--gate", help="Exit with 10 unless B passes ab_test.gate.")] = False,
    sound: Annotated[bool, typer.Option("--sound/--no-sound", help="Play a sound beside the terminal's bell.")] = True,
    notify: Annotated[
        bool, typer.Option("--notify", help="Send notifications too: for stages that cannot, as on closed networks.")
    ] = False,
) -> None:
    """Follow a session from any host, and ring when something ends.

    Ends with the session's exit code. Ctrl-C stops only the watching.
    """
    workspace = open_workspace(config, overrides)
    found = _session(workspace, session)
    from so8t_shared.notify.ringing import Ringer  # slow, like every import below a function here

    settings = workspace.config.notify if notify else None
    ringer = Ringer(workspace.store, found, sound=sound, settings=settings)
    try:
        failure = _follow(workspace.store, found, ringer)
    except KeyboardInterrupt:
        raise Interrupted(
            "Stopped watching; the session continues.", where=found.session_id, remedy="the same command watches again"
        ) from None
    finally:
        ringer.close()
    if failure:
        from so8t_shared.running.pipeline import StageFailed

        where = failure.where or f"on {failure.host} at {failure.time}"
        what = f"{failure.stage} failed: {failure.what}"
        raise StageFailed(what, where=where, remedy=failure.remedy, exit_code=failure.exit_code)
    _show_end(workspace.store, found, gate=gate)


def _session(workspace: Workspace, name: str) -> Session:
    """The session with its own configuration, which another program version may have written."""
    session_id = name or find_session(workspace.store, workspace.config)
    if not session_id:
        raise no_session(workspace)
    record = read_record(workspace.store, session_id)
    config = workspace.config
    if record.config_digest != config_digest(config):
        try:
            config = Config.model_validate(record.config)
        except ValidationError:
            config = workspace.config
    return Session(session_id, config, record.created)


def _follow(store: ArtifactStore, session: Session, ringer: Ringer) -> Failed | None:
    """Show and ring until the session ends; return the failure that ended it, if one did."""
    seen: States = {}
    failed_since: float | None = None
    with _view(session.session_id) as show:
        while True:
            states = states_of(store, session.session_id)
            show(states)
            ringer.ring(seen, states)
            seen = states
            if is_over(states):
                return None
            failure = _failure(store, session.session_id, states)
            failed_since = (failed_since or time.monotonic()) if failure else None
            if failure and failed_since and time.monotonic() - failed_since >= _SETTLE_S:
                return failure
            time.sleep(_EVERY_S)


def _failure(store: ArtifactStore, session_id: str, states: States) -> Failed | None:
    """The failure that keeps the session from going on; None while a stage still works."""
    if any(known.state == "running" for known in states.values()):
        return None
    failed = [name for name, known in states.items() if known.state == "failed"]
    return StageMarkers(store, session_id, failed[0]).failed() if failed else None


@contextmanager
def _view(session_id: str) -> Iterator[Callable[[States], None]]:
    """Shows states: the table of `status` on a terminal, elsewhere a line for each change."""
    if err.is_terminal:
        with Live(console=err, refresh_per_second=2) as live:
            yield lambda states: live.update(status_table(session_id, states))
        return
    shown: States = {}

    def show(states: States) -> None:
        for name, known in states.items():
            before = shown.get(name)
            if before is None or before.state != known.state:
                told = " ".join(word for word in (known.state, known.count, visible(known.message)) if word)
                err.print(f"{name:<10} {told}", markup=False, highlight=False, soft_wrap=True)
        shown.update(states)

    yield show


def _show_end(store: ArtifactStore, session: Session, *, gate: bool) -> None:
    """Print the verdict, its figures and where the report lies.

    Raises:
        GateRefused: the gate is asked for and does not pass.
    """
    from so8t_shared.notify.message import figures, report_place, results_of

    results = results_of(store, session)
    lines = [*figures(results.evaluation), report_place(store, session)] if results else []
    for line in [f"session {session.session_id} is done", *lines]:
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    if gate and results and not results.evaluation.gate.passed:
        where = "\n".join(["ab_test.gate", *(f"    - {reason}" for reason in results.evaluation.gate.reasons)])
        raise GateRefused("The gate does not let model B ship.", where=where, remedy="see the report")
