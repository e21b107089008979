"""Processes as each operating system has them: the only module that knows /proc, prctl, signals beyond SIGTERM, groups.

Linux and macOS run everything; Windows imports everything and runs what starts no stage (`check_stages_can_run`).
What a system lacks is looked for when it is needed, never at import.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from so8t_shared.errors import UnsupportedSystem

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PROCESSES = Path("/proc/self/stat")
_STATUS = Path("/proc/self/status")
_DEAD = {"Z", "X", "x"}
_START = 22 - 4
"""Place of the start among the fields that follow the state; the first of these is field 4 (proc_pid_stat(5))."""
_PR_SET_PDEATHSIG = 1


def check_stages_can_run(command: str) -> None:
    """Refuse `command`, which starts stages, where a stage could not be stopped, locked or cleaned up after.

    Raises:
        UnsupportedSystem: this is Windows itself, or a Python without the parts that it lacks.
    """
    there = {
        "fcntl": importlib.util.find_spec("fcntl") is not None,
        "process groups": hasattr(os, "killpg"),
        "SIGKILL": hasattr(signal, "SIGKILL"),
    }
    missing = [name for name, found in there.items() if not found]
    if missing:
        raise UnsupportedSystem(
            f"Stages cannot run natively on this system ({platform.system()}): it has no {', '.join(missing)}.",
            where=command,
            remedy="run the same command inside WSL2, or run the stages in containers with Docker Desktop"
            " (docker compose --profile full up)",
        )


def boot_id() -> str:
    """Names this boot of this machine, for all its containers alike; '' where the system does not tell it."""
    return _BOOT.read_text(encoding="ascii").strip() if _BOOT.is_file() else ""


def process_domain() -> str:
    """Names the set of processes that this process can look up: boot, pid namespace, and how their starts are told."""
    parts = [socket.gethostname()]
    if boot := boot_id():
        parts.append(boot)
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
    import psutil  # imports, on Linux, what Windows lacks

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return None


def end_with(parent: int, *, at_once: bool = False) -> None:
    """Ask the kernel for a signal when `parent`, which started this process, ends, however it ends.

    SIGTERM, or `at_once` SIGKILL. Only Linux can be asked; elsewhere a parent that is gone already is noticed.
    """
    if sys.platform.startswith("linux"):
        import ctypes

        number = signal.SIGKILL if at_once else signal.SIGTERM
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() == parent:
        return
    if at_once:  # it ended before the kernel was asked
        os._exit(1)
    os.kill(os.getpid(), signal.SIGTERM)


def kill_group(leader: int) -> None:
    """End what is left of a process group at once; one that is gone is fine."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def signal_name(exit_code: int) -> str:
    """Name of the signal that ended a process, such as "SIGKILL", by its code in `subprocess`; '' when none did."""
    return signal.Signals(-exit_code).name if exit_code < 0 else ""


def peak_memory_bytes() -> int:
    """Peak resident memory of this process; on Linux since it was started, without its parent's share."""
    if _STATUS.is_file():
        for line in _STATUS.read_text(encoding="ascii").split("\n"):
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if os.name == "nt":
        import psutil

        return int(psutil.Process().memory_info()._asdict()["peak_wset"])
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
