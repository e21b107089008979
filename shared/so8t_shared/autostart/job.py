"""What is to be started again: the same command, in the same folder."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from so8t_shared.canonical import digest
from so8t_shared.config.load import ENVIRONMENT_PREFIX
from so8t_shared.errors import InputError


@dataclass(frozen=True)
class Kind:
    """A command that resumes a session."""

    command: str
    stages_here: bool
    """Whether this system itself runs the stages and reads the store; else Docker does."""


KINDS = {kind.command: kind for kind in (Kind("run", stages_here=True), Kind("up", stages_here=False))}


@dataclass(frozen=True)
class Job:
    """One configuration's run, by itself or in containers."""

    name: str
    """Unique per configuration file, folder and overrides, and valid as a name for every scheduler."""
    config: Path
    folder: Path
    """Working directory, to which paths in the configuration are relative."""
    command: tuple[str, ...]
    kind: Kind


def job_of(config: Path, overrides: Sequence[str], environ: Mapping[str, str] | None = None) -> Job:
    """The job that runs this configuration on this system.

    Overrides in the environment go into the command, since a scheduler starts it without them.

    Raises:
        InputError: a path has a control character, which no scheduler's file can hold.
    """
    environ = os.environ if environ is None else environ
    given = [*_from_environment(environ), *overrides]
    file, folder = Path(os.path.abspath(config)), Path.cwd()  # noqa: PTH100 - the link, not its target: it may change
    words = [part for override in given for part in ("--set", override)]
    arguments, mark = ["--config", str(file), *words], digest([str(file), str(folder), given])
    return made_job(KINDS["run"], file, folder, arguments, mark)


def made_job(kind: Kind, file: Path, folder: Path, arguments: Sequence[str], mark: str) -> Job:
    """A job of this kind; its name has the file's and the first letters of `mark`.

    Raises:
        InputError: a word has a control character.
    """
    command = (sys.executable, "-m", "so8t_shared.cli", kind.command, *arguments)
    for word in (*command, str(folder)):
        if not word.isprintable():
            raise InputError(
                "A scheduler's file cannot hold this text: it has a control character.",
                where=repr(word),
                remedy="rename the file or folder",
            )
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", file.stem).strip("-")[:40]
    name = "-".join(part for part in ("so8t-ab", stem, mark[:8]) if part)
    return Job(name, file, folder, command, kind)


def _from_environment(environ: Mapping[str, str]) -> list[str]:
    names = sorted(name for name in environ if name.startswith(ENVIRONMENT_PREFIX))
    return [f"{n.removeprefix(ENVIRONMENT_PREFIX).lower().replace('__', '.')}={environ[n]}" for n in names]


def config_home() -> Path:
    """Where a user's programs keep their settings."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
