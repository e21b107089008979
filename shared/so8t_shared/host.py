"""Which host and process this is, in terms that another process can check."""

from __future__ import annotations

import os
import platform
import socket
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import psutil


def now() -> str:
    """UTC time to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def host_name() -> str:
    """Name of this host, as it is shown beside measurements."""
    return os.environ.get("SO8T_HOST_NAME") or socket.gethostname()


def process_domain() -> str:
    """Names the set of processes whose numbers this process can look up: boot and pid namespace."""
    parts = [socket.gethostname()]
    for source in ("/proc/sys/kernel/random/boot_id",):
        if Path(source).is_file():
            parts.append(Path(source).read_text(encoding="ascii").strip())
    try:
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    except OSError:
        parts.append(platform.system())
    return "/".join(parts)


def process_start(pid: int) -> float | None:
    """When the process began (seconds since the epoch), or None when it is not alive."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return float(process.create_time())
    except psutil.Error:
        return None


def versions() -> dict[str, str]:
    """Versions of this program and of Python, for sessions and manifests."""
    return {"so8t-ab": metadata.version("so8t-shared"), "python": platform.python_version()}
