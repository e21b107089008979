"""The real Docker engine: whether it is here, and commands run with it."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from functools import cache
from pathlib import Path
from types import ModuleType

from tests.servers.needed import missing

ROOT = Path(__file__).resolve().parents[2]


def _tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"so8t_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_ENGINE = _tool("docker_engine")


@cache
def _environment() -> dict[str, str]:
    found: dict[str, str] = _ENGINE.environment()
    return found


def environment() -> dict[str, str]:
    """Environment in which `docker compose` works, whether Docker has the plugin or our cache."""
    return dict(_environment())


def need_docker() -> None:
    """End the test here where there is no engine, or no public image and none that stands in for it."""
    lacking = _ENGINE.missing()
    if lacking:
        missing(f"Docker: {lacking}; 'make servers' sets it up")
    for image in _public_images():
        if docker("image", "inspect", image, check=False).returncode:
            missing(f"the image {image} is not here; 'python tools/stand_in_images.py' pulls or makes it")


def _public_images() -> list[str]:
    found = re.findall(r"^\s*image: (\S+)", (ROOT / "compose.yaml").read_text("utf-8"), re.MULTILINE)
    return [name for name in found if not name.startswith("so8t-ab/")] + ["python:3.11-slim-bookworm"]


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
