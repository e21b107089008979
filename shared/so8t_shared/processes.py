"""Processes on each operating system; the only module with /proc, prctl, process groups, signals other than SIGTERM.

Linux and macOS run everything; Windows imports everything and runs commands that start no stage
(`check_stages_can_run`). Missing system features are detected when needed, never at import.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from so8t_shared.errors import UnsupportedSystem

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PROCESSES = Path("/proc/self/stat")
_STATUS = Path("/proc/self/status")
_DEAD = {"Z", "X", "x"}
_START = 22 - 4
"""Index of the start time among the fields after the state; the first of these is field 4 (proc_pid_stat(5))."""
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4


def check_stages_can_run(command: str, in_containers: str = "docker compose --profile full up") -> None:
    """Check that this system can stop, lock and clean up after the stages that `command` starts.

    `in_containers` is the command that does the same with Docker.

    Raises:
        UnsupportedSystem: this is native Windows, or a Python without the required parts.
    """
    there = {
        "fcntl": importlib.util.find_spec("fcntl") is not None,
        "process groups": hasattr(os, "killpg"),
        "SIGKILL": hasattr(signal, "SIGKILL"),
    }
    missing = [name for name, found in there.items() if not found]
    if missing:
        raise UnsupportedSystem(
            f"Stages cannot run natively on this system ({platform.system()}): it lacks {', '.join(missing)}.",
            where=command,
            remedy="run the same command inside WSL2, or run the stages in containers with Docker Desktop"
            f" ({in_containers})",
        )


STOPPING = (signal.SIGTERM, signal.SIGINT)
RELOADING: tuple[signal.Signals, ...] = (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()
"""Signals that ask a service to end, and to read its configuration again."""

UNPRIVILEGED = 10001
"""User and group of stages where this user is root, or the system has none."""


def handed_to_unprivileged(folder: Path, other: int) -> tuple[int, int]:
    """User and group of this process, who own the folder; `other`, to whom the folder is given, instead of root.

    Windows has neither: Docker Desktop lets any user of a container write.
    """
    if not hasattr(os, "getuid"):
        return other, other
    if os.getuid() == 0:
        os.chown(folder, other, other)
        return other, other
    return os.getuid(), os.getgid()


def boot_id() -> str:
    """Id of this machine's boot, the same in all its containers; '' if the system has none."""
    return _BOOT.read_text(encoding="ascii").strip() if _BOOT.is_file() else ""


def process_domain() -> str:
    """Id of the set of processes that this process can look up: boot, pid namespace, and kind of start time."""
    parts = [socket.gethostname()]
    if boot := boot_id():
        parts.append(boot)
    try:
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    except OSError:
        parts.append(platform.system())
    if _PROCESSES.is_file():
        parts.append("ticks")  # earlier versions used seconds since the epoch, which change with the clock
    return "/".join(parts)


def process_start(pid: int) -> float | None:
    """Start time of the process, or None if it is not alive; the same for all callers, even if the clock is set.

    Clock ticks since boot on Linux (field 22 of /proc/PID/stat), else the kernel's record in seconds since the epoch.
    """
    if not _PROCESSES.is_file():
        return _noted_start(pid)
    try:
        line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *rest = line.rpartition(")")[2].split()  # the name before it may contain blanks and parentheses
    return None if state in _DEAD else float(rest[_START])


def _noted_start(pid: int) -> float | None:
    import psutil  # on Linux it imports modules that Windows lacks

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return None


def end_with(parent: int, *, at_once: bool = False) -> None:
    """Ask the kernel to signal this process when its parent `parent` ends, however it ends.

    The signal is SIGTERM, or SIGKILL with `at_once`. Only Linux supports this; elsewhere only a parent that is already
    gone is noticed.
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


def limit_memory(size_bytes: int) -> None:
    """Limit this process's address space, where the system can: asking for more raises MemoryError."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (size_bytes, size_bytes))


def limit_processor_time(more_s: int) -> None:
    """Let the kernel end this process once it has used that much more processor time, where the system can."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + more_s + 1, hard))


def forbid_core_dumps() -> None:
    """Have the system write no core dump of this process, and let no other process of the user read its memory.

    Only Linux can do both; other systems do what they can.
    """
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


@contextmanager
def ctrl_c_held_back() -> Iterator[None]:
    """Let a process started inside never see SIGINT, which a terminal sends to parent and children alike.

    A blocked signal stays blocked in the new process; here it is delivered afterward. Windows cannot do this.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def kill_group(leader: int) -> None:
    """Kill what is left of a process group, if anything."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def signal_name(exit_code: int) -> str:
    """Name of the signal behind an exit code from `subprocess`, such as "SIGKILL"; '' if no signal ended it."""
    return signal.Signals(-exit_code).name if exit_code < 0 else ""


def peak_memory_bytes() -> int:
    """Peak resident memory of this process; on Linux since its start, without its parent's share."""
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
