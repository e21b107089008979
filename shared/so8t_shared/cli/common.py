"""Options and setup that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from so8t_shared.config.load import notices, read_config
from so8t_shared.config.model import Config
from so8t_shared.errors import InputError, So8tError
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.open import open_store
from so8t_shared.terminal.console import err

if TYPE_CHECKING:
    from so8t_shared.autostart.job import Job

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", envvar="SO8T_CONFIG", help="Configuration file (YAML).", show_default=False)
]
SetOption = Annotated[
    list[str],
    typer.Option("--set", metavar="KEY=VALUE", help="Override one dotted key: --set training.max_steps=20."),
]
SessionOption = Annotated[
    str, typer.Option("--session", envvar="SO8T_SESSION", help="By default the configuration's session.")
]

UntilDecidedOption = Annotated[
    bool,
    typer.Option(
        "--until-decided", help="Ask no more rows than it takes: sets ab_test.until_decided, for a session of its own."
    ),
]


@dataclass(frozen=True)
class Workspace:
    """A configuration and the store it names."""

    config: Config
    store: ArtifactStore


def open_workspace(path: Path, overrides: list[str]) -> Workspace:
    """Read the configuration, print notes on outdated keys, open the store."""
    loaded = read_config(path, overrides)
    print_notes([*notices(loaded.config), *loaded.notes()])
    return Workspace(loaded.config, open_store(loaded.config))


def with_flags(overrides: list[str], *, until_decided: bool) -> list[str]:
    """Return the overrides, and what the flags override."""
    return [*overrides, "ab_test.until_decided=true"] if until_decided else overrides


def end_autostart(job: Callable[[], Job]) -> None:
    """Remove what 'so8t-ab autostart' installed for a session that is done; a fault is a note."""
    from so8t_shared.autostart.scheduler import remove_finished

    try:
        remove_finished(job())
    except So8tError as error:
        print_notes([f"autostart stays installed: {error.what}"])


def no_session(workspace: Workspace) -> InputError:
    """The error when the configuration has no session: none yet, or one with other keys."""
    return InputError(
        "This configuration has no session yet.",
        where=workspace.store.location,
        remedy="start one with 'so8t-ab run'; if that run had --set values, repeat them,"
        " or pass --session with a name from 'so8t-ab status --all'",
    )


def print_notes(notes: Iterable[str]) -> None:
    """Print each note on its own line on standard error; notes never stop a command."""
    for note in notes:
        err.print(f"note: {note}", style="dim", highlight=False, markup=False, soft_wrap=True)


def print_warnings(warnings: Iterable[str]) -> None:
    """Print each warning on its own line on standard error; warnings never stop a command."""
    for warning in warnings:
        err.print(f"warning: {warning}", style="yellow", highlight=False, markup=False, soft_wrap=True)


def local_time(iso: str) -> str:
    """A stored time in this host's time zone, to the minute; other text is returned unchanged."""
    try:
        return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return iso


def table_cell(text: str) -> Text:
    """Text shown verbatim, without rich's markup."""
    return Text(text)
