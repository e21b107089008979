"""Memory that is free: of this host, within a container's limit, and of a GPU."""

from __future__ import annotations

import subprocess
from pathlib import Path

_GROUP = Path("/sys/fs/cgroup")
_QUERY = ("nvidia-smi", "--query-gpu=memory.free,memory.total", "--format=csv,noheader,nounits")


def free_memory_bytes(group: Path = _GROUP) -> int:
    """Return the memory available without swapping on this host, within its control group's limit if there is one."""
    import psutil  # imports, on Linux, what Windows lacks

    free = int(psutil.virtual_memory().available)
    try:
        limit = int((group / "memory.max").read_text(encoding="ascii"))
    except (OSError, ValueError):  # no control group, or "max"
        return free
    return min(free, max(limit - _used_bytes(group), 0))


def _used_bytes(group: Path) -> int:
    """Return a control group's memory without its page cache, which is reclaimable (it may hold an unloaded model)."""
    try:
        used = int((group / "memory.current").read_text(encoding="ascii"))
        lines = (group / "memory.stat").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return 0
    stat = dict(line.split() for line in lines)
    return used - sum(int(stat.get(name, 0)) for name in ("active_file", "inactive_file"))


def gpus_memory_bytes(query: tuple[str, ...] = _QUERY) -> list[tuple[int, int]]:
    """Return (free, total) bytes of each NVIDIA GPU, without importing torch."""
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
        found = [[int(part) << 20 for part in line.split(",")] for line in done.stdout.splitlines()]
        return [(free, total) for free, total in found]
    except (OSError, subprocess.SubprocessError, ValueError):
        return []
