"""Processes that another process can check, end and wait for; and a system that lacks what that takes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.processes import exit_code, race, start

from so8t_shared import processes
from so8t_shared.errors import UnsupportedSystem
from so8t_shared.processes import (
    boot_id,
    check_stages_can_run,
    kill_group,
    peak_memory_bytes,
    process_domain,
    process_start,
    signal_name,
)


def test_processes_of_one_host_share_a_domain() -> None:
    """Every process that can look up our number says the same; the shown name is no part of it."""
    assert set(race(3, lambda _: process_domain())) == {process_domain()}
    assert len(process_domain().split("/")) >= 2


def test_process_start() -> None:
    """A living process has begun, at the same moment for everybody; a dead one never."""
    mine = process_start(os.getpid())
    assert mine is not None
    assert race(2, lambda _: process_start(os.getppid())) == [mine, mine]
    process = start(lambda: None)
    assert process.pid is not None
    exit_code(process)
    assert process_start(process.pid) is None
    assert process_start(2**31 - 1) is None


def test_the_clock_does_not_move_a_start() -> None:
    """Where the wall clock can be set, a start is counted in ticks since the boot: those between boot and now."""
    if not Path("/proc/uptime").is_file():
        pytest.skip("CANNOT BE TESTED HERE: starts since the boot: no /proc")
    mine, ticks = process_start(os.getpid()), os.sysconf("SC_CLK_TCK")
    assert mine is not None
    assert process_domain().endswith("/ticks")
    assert 0 < mine / ticks <= float(Path("/proc/uptime").read_text().split()[0])


def test_a_name_full_of_brackets(tmp_path: Path) -> None:
    """A program's own name does not confuse what follows it."""
    program = tmp_path / ") S 1 (x"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "1000"]) as process:
        started = process_start(process.pid)
        process.kill()
    mine = process_start(os.getpid())
    assert started is not None
    assert mine is not None
    assert started >= mine


def test_a_zombie_is_dead() -> None:
    """A killed process that nobody has waited for yet does not count as alive."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    deadline = time.monotonic() + 30
    while process_start(pid) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.waitpid(pid, 0)


def test_without_proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where there is no /proc, psutil tells who lives; there is no boot to name."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        for name in ("_PROCESSES", "_BOOT", "_STATUS"):
            monkeypatch.setattr(processes, name, tmp_path / "none")
        started = process_start(process.pid)
        assert started is not None
        assert abs(started - time.time()) < 60
        process.kill()
    assert process_start(process.pid) is None
    assert boot_id() == ""
    assert not process_domain().endswith("/ticks")
    assert 1e6 < peak_memory_bytes() < 1e11


def test_peak_memory() -> None:
    """A block that was allocated and freed counts, in bytes; none of the parent's does."""
    code = "from so8t_shared.processes import peak_memory_bytes as peak; a = b'x' * 300_000_000; del a; print(peak())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 300_000_000 < int(done.stdout) < 450_000_000


@pytest.mark.parametrize(("code", "name"), [(0, ""), (75, ""), (-9, "SIGKILL"), (-15, "SIGTERM")])
def test_signal_name(code: int, name: str) -> None:
    """An exit code as subprocess tells it: below zero a signal ended the process."""
    assert signal_name(code) == name


def test_kill_group() -> None:
    """The leader and what it started end at once; a group that is gone is no error."""
    command = ["sh", "-c", "sleep 1000 & echo $!; wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as leader:
        assert leader.stdout is not None
        child = int(leader.stdout.readline())
        kill_group(leader.pid)
        assert leader.wait(60) == -signal.SIGKILL
    deadline = time.monotonic() + 60
    while process_start(child) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    kill_group(leader.pid)


def test_a_system_that_runs_stages() -> None:
    """Here nothing is missing."""
    check_stages_can_run("so8t-ab run")


def test_a_system_that_does_not(monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    """Whatever is missing is named, with the command and where it runs instead; exit code 2."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.delattr(os, "killpg")
    monkeypatch.delattr(signal, "SIGKILL")
    with said.raised(UnsupportedSystem, where="so8t-ab run"):
        check_stages_can_run("so8t-ab run")
