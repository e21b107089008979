"""A task of the Windows Task Scheduler, in its XML format 1.2; from Windows itself or from inside WSL."""

from __future__ import annotations

import os
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

from so8t_shared.autostart.job import Job, config_home
from so8t_shared.autostart.scheduler import call, job_file
from so8t_shared.errors import UnsupportedSystem

NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"

_SETTINGS = {
    "MultipleInstancesPolicy": "IgnoreNew",
    "DisallowStartIfOnBatteries": "false",
    "StopIfGoingOnBatteries": "false",
    "StartWhenAvailable": "true",
    "ExecutionTimeLimit": "PT0S",  # by default Windows ends a task after three days
}
_RESTART = {"Interval": "PT1M", "Count": "5"}
_DELAY = "PT1M"
"""Until network and Docker are there."""
_REMEDY = "run the same command in a terminal of the user who is logged in to Windows"


class WindowsTasks:
    """The Task Scheduler."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._distribution = environ.get("WSL_DISTRO_NAME", "")
        self._environ = environ

    def text(self, job: Job) -> str:
        """The task; starts when this user logs in."""
        ET.register_namespace("", NAMESPACE)
        task = ET.Element(_tag("Task"), version="1.2")
        about = ET.SubElement(task, _tag("RegistrationInfo"))
        _add(about, {"Description": f"Resume the SO8T-AB session of {job.config}"})
        trigger = ET.SubElement(ET.SubElement(task, _tag("Triggers")), _tag("LogonTrigger"))
        user = {"UserId": name} if (name := self._user()) else {}
        _add(trigger, {"Enabled": "true", **user, "Delay": _DELAY})
        principal = ET.SubElement(ET.SubElement(task, _tag("Principals")), _tag("Principal"), id="Author")
        _add(principal, {**user, "LogonType": "InteractiveToken", "RunLevel": "LeastPrivilege"})
        settings = ET.SubElement(task, _tag("Settings"))
        _add(settings, _SETTINGS)
        _add(ET.SubElement(settings, _tag("RestartOnFailure")), _RESTART)
        action = ET.SubElement(ET.SubElement(task, _tag("Actions"), Context="Author"), _tag("Exec"))
        _add(action, self._action(job))
        ET.indent(task)
        return f'<?xml version="1.0" encoding="UTF-16"?>\n{ET.tostring(task, encoding="unicode")}\n'

    def file(self, job: Job) -> Path:
        """A copy of what Windows was given."""
        return config_home() / "so8t-ab" / "autostart" / f"{job.name}.xml"

    def install(self, job: Job) -> list[str]:
        """Give the task to Windows."""
        file = self.file(job)
        with job_file(file, self.text(job).encode("utf-16")):
            call(["schtasks.exe", "/Create", "/F", "/TN", job.name, "/XML", self._windows_path(file)], _REMEDY)
        needs = "variables for its secrets must be set for your user"
        if not job.kind.stages_here:
            needs = "Docker Desktop must start then, too (Settings, General: start when you sign in)"
        return [f"it starts a minute after you log in to Windows; {needs}"]

    def remove(self, job: Job) -> None:
        """Take the task from Windows."""
        call(["schtasks.exe", "/Delete", "/F", "/TN", job.name], _REMEDY)
        self.file(job).unlink(missing_ok=True)

    def state(self, job: Job) -> str:
        """What Windows says."""
        try:
            call(["schtasks.exe", "/Query", "/TN", job.name], _REMEDY)
        except UnsupportedSystem as error:
            return error.what
        return "enabled"

    def _action(self, job: Job) -> dict[str, str]:
        """Program, arguments and folder; from WSL, Windows starts the distribution and the program in it."""
        command, folder = list(job.command), str(job.folder)
        if self._distribution:  # --exec: without a shell, which would read the arguments once more
            command = ["wsl.exe", "--distribution", self._distribution, "--cd", folder, "--exec", *command]
            return {"Command": command[0], "Arguments": subprocess.list2cmdline(command[1:])}
        return {
            "Command": command[0],
            "Arguments": subprocess.list2cmdline(command[1:]),
            "WorkingDirectory": folder,
        }

    def _user(self) -> str:
        """The Windows user, as DOMAIN\\NAME; '' if this is not Windows."""
        if shutil.which("whoami.exe"):
            return call(["whoami.exe"], _REMEDY)
        name, domain = self._environ.get("USERNAME", ""), self._environ.get("USERDOMAIN", "")
        return f"{domain}\\{name}" if name and domain else ""

    def _windows_path(self, file: Path) -> str:
        return call(["wslpath", "-w", str(file)], _REMEDY) if self._distribution else str(file)


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _add(parent: ET.Element, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        ET.SubElement(parent, _tag(name)).text = value
