"""Inventory of a machine: the parts that the pipeline needs or can use."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from so8t_shared.distribution import EXTRAS, install_command, missing_packages
from so8t_shared.errors import ServerError
from so8t_shared.formatting import size
from so8t_shared.ollama_http import Missing, ask
from so8t_shared.processor import has_bf16_instructions, usable_cores

_DEMO_MEMORY_BYTES = 4_000_000_000
_DEMO_DISK_BYTES = 5_000_000_000
_INSTALL_DEMO = "pip install 'so8t-ab[all,demo]'"
_OLLAMA = "http://127.0.0.1:11434"
_ANSWER_S = 3.0
_GPU_DEVICES = ("nvidia*", "nvhost*", "nvmap", "dxg", "kfd")
"""NVIDIA cards, Tegra boards, WSL, and AMD cards, which torch also calls cuda."""

_DISPENSABLE = ("notify", "gateway", "ui", "ray", "k8s")
"""Extras without which everything but their own task works."""

State = Literal["ok", "missing", "bad"]


@dataclass(frozen=True)
class Finding:
    """One part: ok, missing (optional), or bad (the demo needs it)."""

    part: str
    state: State
    found: str
    remedy: str = ""


def examine(folder: str) -> list[Finding]:
    """Check every part without starting or changing anything."""
    return [
        _python(),
        *_extras(),
        _library("torch", f"{_INSTALL_DEMO} (about 5 GB with CUDA)"),
        _library("xllamacpp", _INSTALL_DEMO),
        _gpu(),
        _processor(),
        _memory(),
        _disk(folder),
        _program(
            "docker", ["docker", "version", "--format", "{{.Server.Version}}"], "install Docker and start its daemon"
        ),
        *_docker_gpu(),
        _program("minio", ["minio", "--version"], "only for stages on several hosts; the compose file brings it"),
        _ollama(os.environ.get("SO8T__OLLAMA__HOST", _OLLAMA)),
    ]


def _python() -> Finding:
    good = sys.version_info >= (3, 11)
    return Finding(
        "python", "ok" if good else "bad", platform.python_version(), "" if good else "install 3.11 or newer"
    )


def _extras() -> Iterator[Finding]:
    for extra, module in {extra: module for module, extra in EXTRAS.items()}.items():
        if missing := missing_packages(module):
            state: State = "missing" if extra in _DISPENSABLE else "bad"
            yield Finding(extra, state, f"not installed: {', '.join(missing)}", install_command([module]))
        else:
            yield Finding(extra, "ok", "installed")


def _library(name: str, remedy: str) -> Finding:
    try:
        return Finding(name, "ok", metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name, "bad", "not installed", remedy)


def _gpu() -> Finding:
    remedy = "not needed for the demo; a 4B model wants a GPU with 12 GB or more"
    names = _output(["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"])
    return Finding("gpu", "ok", names) if names else Finding("gpu", "missing", "none found", remedy)


def _processor() -> Finding:
    bf16 = "with" if has_bf16_instructions() else "without"
    return Finding("processor", "ok", f"{usable_cores()} cores, {bf16} bfloat16 instructions")


def _memory() -> Finding:
    import psutil  # imports, on Linux, what Windows lacks

    return _room("memory", psutil.virtual_memory().available, _DEMO_MEMORY_BYTES)


def _disk(folder: str) -> Finding:
    place = Path(folder).absolute()
    free = shutil.disk_usage(next(path for path in (place, *place.parents) if path.exists())).free
    return _room("disk", free, _DEMO_DISK_BYTES)


def _room(part: str, free_bytes: int, needed_bytes: int) -> Finding:
    found = f"{size(free_bytes)} free"
    if free_bytes >= needed_bytes:
        return Finding(part, "ok", found)
    return Finding(part, "bad", found, f"the demo needs {size(needed_bytes)}")


def _program(name: str, command: list[str], remedy: str) -> Finding:
    if shutil.which(command[0]) is None:
        return Finding(name, "missing", "not installed", remedy)
    answer = _output(command)
    return Finding(name, "ok", answer) if answer else Finding(name, "missing", "installed, does not answer", remedy)


def _docker_gpu() -> Iterator[Finding]:
    """Whether containers can use a GPU; empty without Docker."""
    listed = _output(["docker", "info", "--format", "{{json .}}"])
    if not listed:
        return
    if '"nvidia"' in listed or "nvidia.com/gpu" in listed or shutil.which("nvidia-container-runtime-hook"):
        yield Finding("docker gpu", "ok", "NVIDIA runtime")
    else:
        remedy = (
            "compose.yaml requires one: so8t-ab up --cpu adds compose.cpu.yaml, or install the NVIDIA Container Toolkit"
        )
        yield Finding("docker gpu", "missing", "no NVIDIA runtime", remedy)


def _ollama(address: str) -> Finding:
    """Check for a server that answers; its program may be on another host."""
    version = ollama_version(address)
    if version is None:
        there = "installed" if shutil.which("ollama") else "not installed"
        remedy = f"only for the ollama engine: start 'ollama serve', or set SO8T__OLLAMA__HOST (now {address})"
        return Finding("ollama", "missing", f"{there}, no server answers", remedy)
    return Finding("ollama", "ok", f"{version} at {address}")


def ollama_version(address: str, timeout_s: float = _ANSWER_S) -> str | None:
    """Version of the Ollama server at an address; None if it does not answer in time."""
    try:
        return str(ask(address, "/api/version", timeout_s=timeout_s)["version"])
    except (Missing, ServerError, KeyError):
        return None


def has_cuda_device(devices: Path = Path("/dev")) -> bool:
    """Whether a GPU that torch calls cuda may be present, judged by device files, without importing torch."""
    return any(found for pattern in _GPU_DEVICES for found in devices.glob(pattern))


def _output(command: list[str]) -> str:
    """First line of a command's output; empty if it fails or hangs."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = done.stdout.strip().splitlines()
    return lines[0] if done.returncode == 0 and lines else ""
