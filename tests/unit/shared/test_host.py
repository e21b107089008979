"""Names of hosts and processes that another process can check."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.unit.shared.processes import exit_code, race, start

from so8t_shared.host import host_name, now, process_domain, process_start, versions


def test_now_is_utc() -> None:
    """Seconds, with the zone, sortable as text."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", now())
    assert abs((datetime.fromisoformat(now()) - datetime.now(UTC)).total_seconds()) < 60


def test_host_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's name, or the one that a container is given for it."""
    monkeypatch.delenv("SO8T_HOST_NAME", raising=False)
    assert host_name() == socket.gethostname()
    monkeypatch.setenv("SO8T_HOST_NAME", "gpu-box")
    assert host_name() == "gpu-box"


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
    """Where the wall clock can be set, a start is told in ticks since the boot: those between boot and now."""
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


def test_versions() -> None:
    """This program's and Python's."""
    assert set(versions()) == {"so8t-ab", "python"}
    assert all(versions().values())
