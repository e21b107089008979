"""Docker's command line: whether it works, what the configuration resolves to, and the state of containers."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from so8t_shared.containers.settings import compose_environment
from so8t_shared.errors import InputError, ServerError, So8tError

_ANSWER_S = 60.0
_ASK_AGAIN_S = 5.0
_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True)
class Engine:
    """The Docker engine, and the project's compose files; with `cpu` without a GPU."""

    cpu: bool = False
    instead: bool = False
    """`cpu`, because a GPU was optional and there is none."""

    def check(self) -> None:
        """Check that an engine answers.

        Raises:
            InputError: Docker is not installed.
            ServerError: no engine answers.
        """
        if shutil.which("docker") is None:
            raise InputError(
                "Docker is not installed.",
                where="PATH",
                remedy="install Docker Engine with the compose plugin, 2.24 or newer; on Windows, Docker Desktop",
            )
        if self.run(["docker", "info"]).returncode:
            raise ServerError(
                "The Docker engine does not answer.",
                where="docker info",
                remedy="start it, or give this user access to it: docker info shows the reason",
            )

    def wait(self, limit_s: float) -> None:
        """Wait until an engine answers; Docker Desktop brings even the command `docker` into WSL only then.

        Raises:
            InputError, ServerError: see `check`; that was so for `limit_s` seconds.
        """
        until = time.monotonic() + limit_s
        while True:
            try:
                return self.check()
            except (InputError, ServerError):
                if (left := until - time.monotonic()) <= 0:
                    raise
                time.sleep(min(left, _ASK_AGAIN_S))

    def check_compose(self) -> None:
        """Check that an engine and compose answer.

        Raises:
            InputError, ServerError: see `check`; or the plugin is missing.
        """
        self.check()
        if self.run(["docker", "compose", "version"]).returncode:
            raise InputError(
                "Docker has no compose plugin.",
                where="docker compose version",
                remedy="install docker-compose-plugin 2.24 or newer",
            )

    def has_gpu(self) -> bool:
        """Whether a container can be given an NVIDIA GPU: by a runtime, by CDI, or by the toolkit's hook."""
        info = self.run(["docker", "info", "--format", "{{json .}}"]).stdout
        try:
            runtimes = json.loads(info).get("Runtimes") or {}
        except (ValueError, AttributeError):
            runtimes = {}
        return "nvidia" in runtimes or "nvidia.com/gpu" in info or bool(shutil.which("nvidia-container-runtime-hook"))

    def compose(self, *arguments: str) -> list[str]:
        """The command line of compose."""
        return ["docker", "compose", *arguments]

    def resolved(self) -> dict[str, Any]:
        """The full profile as compose resolves it.

        Raises:
            So8tError: compose cannot read its files.
        """
        done = self.run(self.compose("--profile", "full", "config", "--format", "json"))
        if done.returncode:
            raise InputError(
                f"compose cannot read its files: {done.stderr.strip()}",
                where="docker compose config",
                remedy="correct them",
            )
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def run(
        self, command: Sequence[str], *, timeout_s: float | None = _ANSWER_S, variables: Mapping[str, str] = _NOTHING
    ) -> subprocess.CompletedProcess[str]:
        """A command to its end; never raises for its exit code."""
        try:
            return subprocess.run(
                list(command),
                env=compose_environment(cpu=self.cpu) | dict(variables),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(list(command), 124, "", f"no answer within {timeout_s} s")


class ContainerFailed(So8tError):
    """Containers ended with an exit code, which becomes this program's."""

    def __init__(self, what: str, *, where: str, remedy: str, exit_code: int) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.exit_code = exit_code
