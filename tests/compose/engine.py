"""The real Docker engine: whether it is here, and commands run with it."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.servers.needed import missing

import docker_engine
import stand_in_images

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-m", "so8t_shared.cli"]


@cache
def _environment() -> dict[str, str]:
    found: dict[str, str] = docker_engine.environment()
    return found


def environment() -> dict[str, str]:
    """Environment in which `docker compose` works, whether Docker has the plugin or our cache."""
    return dict(_environment())


def need_docker() -> None:
    """End the test here where there is no engine, or no public image and none that stands in for it."""
    lacking = docker_engine.missing()
    if lacking:
        missing(f"Docker: {lacking}; 'make servers' sets it up")
    for image in stand_in_images.public_images():
        if docker("image", "inspect", image, check=False).returncode:
            missing(f"the image {image} is not here; 'python .ci/stand_in_images.py' pulls or makes it")


def docker(*arguments: str, check: bool = True, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    """`docker ...` to its end."""
    return run_command(["docker", *arguments], environment(), check=check, timeout_s=timeout_s)


def run_command(
    command: list[str], environ: dict[str, str], *, check: bool = True, timeout_s: float = 120
) -> subprocess.CompletedProcess[str]:
    """A command in the repository's root, to its end; with `check` it must succeed."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert not check or done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done
