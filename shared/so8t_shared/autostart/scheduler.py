"""What each system's scheduler offers, and which one this system has."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from so8t_shared.autostart.job import Job
from so8t_shared.errors import UnsupportedSystem
from so8t_shared.files import make_folder, write_atomically
from so8t_shared.tables.functions import named

SCHEDULERS = {
    "systemd": "so8t_shared.autostart.systemd:Systemd",
    "windows": "so8t_shared.autostart.windows:WindowsTasks",
}
"""'module:class' of each scheduler."""

_ANSWER_S = 30.0


class Scheduler(Protocol):
    """Starts jobs when the machine or the user's session starts."""

    def text(self, job: Job) -> str:
        """Content of the job's file."""

    def file(self, job: Job) -> Path:
        """The job's file on this machine; it exists if, and only if, the job is installed."""

    def install(self, job: Job) -> list[str]:
        """Install the job, or replace it; return what the user should know.

        Raises:
            UnsupportedSystem: the scheduler does not run here, or refuses; nothing is left behind.
        """

    def remove(self, job: Job) -> None:
        """Remove the job; does not stop it if it runs.

        Raises:
            UnsupportedSystem: the scheduler refuses.
        """

    def state(self, job: Job) -> str:
        """In a few words, what the scheduler says about the job."""


def scheduler_named(name: str) -> Scheduler:
    """The scheduler with that name."""
    scheduler: Scheduler = named(SCHEDULERS[name])()
    return scheduler


def own_scheduler(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> str:
    """Name of this system's scheduler; in WSL it is that of Windows, which starts no Linux by itself.

    Raises:
        UnsupportedSystem: there is none that this program knows.
    """
    if platform == "win32" or environ.get("WSL_DISTRO_NAME"):
        return "windows"
    if platform.startswith("linux"):
        return "systemd"
    raise UnsupportedSystem(
        f"There is no autostart for this system ({platform}).",
        where="so8t-ab autostart",
        remedy="let the system's own scheduler run the command that 'so8t-ab autostart install --print' shows",
    )


def call(command: Sequence[str], remedy: str) -> str:
    """Run a program of the scheduler and return what it prints.

    Raises:
        UnsupportedSystem: it is not there, fails or does not answer; has `remedy`.
    """
    try:
        done = subprocess.run(command, capture_output=True, timeout=_ANSWER_S, check=False)
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
        why = said or f"exit code {done.returncode}"
        if done.returncode == 0:
            return done.stdout.decode("utf-8", "replace").strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        why = getattr(error, "strerror", None) or "no answer"
    raise UnsupportedSystem(f"{command[0]} failed: {why}", where=" ".join(command), remedy=remedy)


@contextmanager
def job_file(file: Path, data: bytes) -> Iterator[None]:
    """Write a job's file for the scheduler's own programs; it is gone again if one of them refuses.

    Raises:
        StorageError: the file cannot be written.
    """
    make_folder(file.parent)
    write_atomically(file, data)
    try:
        yield
    except UnsupportedSystem:
        file.unlink()
        raise


def remove_finished(job: Job) -> None:
    """Remove a job whose session is done, from whichever scheduler has it.

    Raises:
        UnsupportedSystem: the scheduler refuses.
    """
    for name in SCHEDULERS:
        scheduler = scheduler_named(name)
        if scheduler.file(job).exists():
            scheduler.remove(job)
