"""The processor: usable cores, free cores, and bfloat16 instructions."""

from __future__ import annotations

import math
import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_INFO = Path("/proc/cpuinfo")
_LOOK_S = 0.3
_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
"""x86's two bfloat16 extensions, and ARM's."""


def usable_cores(quota_file: Path = _QUOTA) -> int:
    """Cores that this process may use, at least 1: limited by its CPU affinity and a container's CPU quota."""
    return _whole(min(len(_allowed()), _quota(quota_file)))


def free_cores(quota_file: Path = _QUOTA) -> int:
    """Usable cores that are currently idle, at least 1; samples the load for 0.3 s."""
    import psutil  # on Linux it imports modules that Windows lacks

    cores = _allowed()
    busy = sum(sorted(psutil.cpu_percent(interval=_LOOK_S, percpu=True), reverse=True)[: len(cores)]) / 100
    return _whole(min(len(cores) - busy, _quota(quota_file)))


def has_bf16_instructions(info: Path = _INFO) -> bool:
    """Whether the processor has bfloat16 instructions (AVX512_BF16, AMX); without them bf16 is 12-16x slower.

    False if the system does not report it (only Linux does).
    """
    if not info.is_file():
        return False
    for line in info.read_text(encoding="utf-8", errors="replace").split("\n"):
        name, _, value = line.partition(":")
        if name.strip() in {"flags", "Features"}:
            return not _BF16_FLAGS.isdisjoint(value.split())
    return False


def _allowed() -> set[int]:
    """Numbers of the cores that this process may run on; all if the system does not say (macOS)."""
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def _quota(file: Path) -> float:
    """CPU quota of the control group in cores; infinite without a limit."""
    try:
        granted, period = file.read_text(encoding="ascii").split()
        return math.inf if granted == "max" else int(granted) / int(period)
    except (OSError, ValueError):
        return math.inf


def _whole(cores: float) -> int:
    return max(1, math.floor(cores + 0.5))
