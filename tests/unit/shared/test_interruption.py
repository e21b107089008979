"""Signals: the first one asks, the second one ends; a child ends with its parent."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.processes import exit_code, kill, running, start, until

from so8t_shared.errors import Interrupted
from so8t_shared.interruption import StopSignal
from so8t_shared.processes import end_with


def test_nobody_asked() -> None:
    """At first nothing is asked."""
    stop = StopSignal()
    assert not stop.is_set
    assert not stop.wait(0.0)
    stop.check()


def test_asked(said: Said) -> None:
    """Once asked, every check raises, with exit code 75 and how to go on."""
    stop = StopSignal()
    stop.ask()
    assert stop.is_set
    assert stop.wait(1000)
    for _ in range(2):
        with said.raised(Interrupted) as caught:
            stop.check()
        assert caught.value.exit_code == 75


def test_another_reason() -> None:
    """`check` also calls the check that it is given."""
    with pytest.raises(Interrupted):
        StopSignal().check(lambda: True)


def _patient(ready: Path) -> Callable[[], None]:
    """Work that notes that it is ready, ends with 75 when asked, and then takes its time."""

    def work() -> None:
        stop = StopSignal()
        stop.install()
        ready.write_text("ready")
        stop.wait(1000)
        ready.with_name("asked").write_text("asked")
        if ready.name == "quick":
            os._exit(75)
        time.sleep(1000)

    return work


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks(tmp_path: Path, number: signal.Signals) -> None:
    """SIGTERM and SIGINT let the process come to its own end."""
    process = start(_patient(tmp_path / "quick"))
    until((tmp_path / "quick").is_file, "the process")
    assert process.pid is not None
    os.kill(process.pid, number)
    assert exit_code(process) == 75


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    """Who cannot wait presses again."""
    process = start(_patient(tmp_path / "slow"))
    until((tmp_path / "slow").is_file, "the process")
    assert process.pid is not None
    os.kill(process.pid, signal.SIGTERM)
    until((tmp_path / "asked").is_file, "the first signal's effect")
    os.kill(process.pid, signal.SIGTERM)
    assert exit_code(process) == 128 + signal.SIGTERM


def test_a_signal_in_the_middle_of_a_wait(tmp_path: Path) -> None:
    """At whatever instant of waiting a signal comes, the process notices it and does not block itself."""

    def work() -> None:
        stop = StopSignal()
        stop.install()
        (tmp_path / str(os.getpid())).touch()
        while not stop.wait(0.0):
            pass
        os._exit(75)

    for _ in range(30):
        process = start(work)
        until((tmp_path / str(process.pid)).is_file, "the process")
        assert process.pid is not None
        os.kill(process.pid, signal.SIGTERM)
        process.join(10)
        assert process.exitcode == 75


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a child that its parent died")
def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    """When the parent is killed with SIGKILL, the child gets SIGTERM and comes to its own end."""
    mark = tmp_path / "quick"

    def parent() -> None:
        own = os.getpid()
        if os.fork() == 0:
            end_with(own)
            _patient(mark)()
            os._exit(0)
        time.sleep(1000)

    with running(parent) as process:
        until(mark.is_file, "the child")
        kill(process)
        until((tmp_path / "asked").is_file, "the child's end")


def test_a_parent_that_died_before(tmp_path: Path) -> None:
    """A child whose parent was gone before it could ask ends too."""

    def work() -> None:
        stop = StopSignal()
        stop.install()
        end_with(999999999)
        os._exit(75 if stop.wait(10) else 1)

    assert exit_code(start(work)) == 75
