"""How many processor cores an engine may use without fighting over them."""

from __future__ import annotations

import math
import os
from pathlib import Path

import psutil

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_LOOK_S = 0.3


def free_cores(quota_file: Path = _QUOTA) -> int:
    """Cores that this process may use and nobody else keeps busy right now; at least 1.

    Looks at the load for 0.3 s. A container's CPU quota counts as well.
    """
    cores = allowed_cores()
    busy = sum(sorted(psutil.cpu_percent(interval=_LOOK_S, percpu=True), reverse=True)[: len(cores)]) / 100
    free = min(len(cores) - busy, _quota(quota_file))
    return max(1, math.floor(free + 0.5))


def allowed_cores() -> set[int]:
    """Numbers of the cores that the operating system lets this process run on."""
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def _quota(file: Path) -> float:
    """Cores' worth of time that the control group grants, infinite without a limit."""
    try:
        granted, period = file.read_text(encoding="ascii").split()
        return math.inf if granted == "max" else int(granted) / int(period)
    except (OSError, ValueError):
        return math.inf
