"""A systemd user unit: systemd.service(5), with the quoting of systemd.syntax(7)."""

from __future__ import annotations

import getpass
import shutil
from collections.abc import Sequence
from pathlib import Path

from so8t_shared.autostart.job import Job, config_home
from so8t_shared.autostart.scheduler import call, job_file
from so8t_shared.errors import UnsupportedSystem

_UNIT = """\
# Written by 'so8t-ab autostart install'. 'so8t-ab autostart remove' and the run that ends the session remove it.
[Unit]
Description=Resume the SO8T-AB session of {config}
StartLimitIntervalSec=1h
StartLimitBurst=5

[Service]
Type=exec
WorkingDirectory={folder}
EnvironmentFile=-{environment}
ExecStart={command}
Restart=on-failure
RestartSec=60
# bad configuration or input, damaged data: only a person can help
RestartPreventExitStatus=2 5
# SIGTERM saves a checkpoint
TimeoutStopSec=120

[Install]
WantedBy=default.target
"""

_REMEDY = "log in with a session that systemd manages, or use cron's @reboot with the command that --print shows"


class Systemd:
    """The systemd instance of this user."""

    def text(self, job: Job) -> str:
        """The unit."""
        return _UNIT.format(
            config=_literal(str(job.config)),
            folder=_literal(str(job.folder)),
            environment=_literal(str(_environment())),
            command=command_line(job.command),
        )

    def file(self, job: Job) -> Path:
        """Where systemd looks for this user's units."""
        return config_home() / "systemd" / "user" / f"{job.name}.service"

    def install(self, job: Job) -> list[str]:
        """Write and enable the unit."""
        file = self.file(job)
        with job_file(file, self.text(job).encode()):
            call(["systemctl", "--user", "daemon-reload"], _REMEDY)
            call(["systemctl", "--user", "enable", file.name], _REMEDY)
        return [f"secrets for it go into {_environment()}, one NAME=VALUE per line", *_lingering()]

    def remove(self, job: Job) -> None:
        """Disable the unit and delete it."""
        call(["systemctl", "--user", "disable", self.file(job).name], _REMEDY)
        self.file(job).unlink(missing_ok=True)
        call(["systemctl", "--user", "daemon-reload"], _REMEDY)

    def state(self, job: Job) -> str:
        """Whether it is enabled, and whether it runs."""
        try:
            shown = call(
                ["systemctl", "--user", "show", "-p", "UnitFileState,ActiveState", "--value", self.file(job).name],
                _REMEDY,
            )
        except UnsupportedSystem as error:
            return error.what
        return ", ".join(word for word in shown.split() if word)


def command_line(words: Sequence[str]) -> str:
    """ExecStart= for these words: no variable, no specifier and no escape in them means anything."""
    program, *arguments = map(_quoted, words)
    return " ".join([program, *(word.replace("$", "$$") for word in arguments)])  # a program's name has no variables


def _quoted(word: str) -> str:
    for character, written in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%")):
        word = word.replace(character, written)
    return f'"{word}"'


def _literal(text: str) -> str:
    """A value that is one text: only specifiers mean something in it."""
    return text.replace("%", "%%")


def _environment() -> Path:
    return config_home() / "so8t-ab" / "environment"


def _lingering() -> list[str]:
    """What to do so that it starts at boot, and not only at the next login."""
    user = getpass.getuser()
    try:
        if shutil.which("loginctl") and call(["loginctl", "show-user", user, "-p", "Linger", "--value"], "") == "yes":
            return []
    except UnsupportedSystem:
        pass
    return [f"it starts when you log in; to start it at boot: loginctl enable-linger {user}"]
