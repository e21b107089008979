"""Which host and process this is, in terms that another process can check."""

from __future__ import annotations

import os
import platform
import socket
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import psutil

_PROCESSES = Path("/proc/self/stat")
_DEAD = {"Z", "X", "x"}
_START = 22 - 4
"""Place of the start among the fields that follow the state; the first of these is field 4 (proc_pid_stat(5))."""


def now() -> str:
    """UTC time to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def host_name() -> str:
    """Name of this host, as it is shown beside measurements."""
    return os.environ.get("SO8T_HOST_NAME") or socket.gethostname()


def process_domain() -> str:
    """Names the set of processes that this process can look up: boot, pid namespace, and how their starts are told."""
    parts = [socket.gethostname()]
    for source in ("/proc/sys/kernel/random/boot_id",):
        if Path(source).is_file():
            parts.append(Path(source).read_text(encoding="ascii").strip())
    try:
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    except OSError:
        parts.append(platform.system())
    if _PROCESSES.is_file():
        parts.append("ticks")  # versions before this one told seconds since the epoch, which move with the clock
    return "/".join(parts)


def process_start(pid: int) -> float | None:
    """When the process began, or None when it is not alive: one number for all who ask, however the clock is set.

    Clock ticks since the boot on Linux (field 22 of /proc/PID/stat), else seconds since the epoch, noted by the kernel.
    """
    if not _PROCESSES.is_file():
        return _noted_start(pid)
    try:
        line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *rest = line.rpartition(")")[2].split()  # the name before it may hold blanks and brackets
    return None if state in _DEAD else float(rest[_START])


def _noted_start(pid: int) -> float | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return None


def versions() -> dict[str, str]:
    """Versions of this program and of Python, for sessions and manifests."""
    return {"so8t-ab": metadata.version("so8t-shared"), "python": platform.python_version()}
