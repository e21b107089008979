"""The control load, on this machine as it is."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.unit.evaluator.material import ScriptedEngine

from so8t_evaluator.disturbance import ControlLoad
from so8t_shared.host import host_name
from so8t_shared.processor import usable_cores

pytestmark = pytest.mark.usefixtures("machine_as_it_is")

_BUSY = "while True: pass"


def test_busy_machine() -> None:
    """With four busy processes for every core nearly every measurement is disturbed."""
    load = ControlLoad(usable_cores())
    busy = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(4 * usable_cores())]
    try:
        found = [load.is_disturbed() for _ in range(10)]
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert sum(found) >= 8


def test_undisturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that takes no longer than the processor needs for it is undisturbed."""
    load = ControlLoad(1)
    monkeypatch.setattr(load, "_least_s", 60.0)
    monkeypatch.setattr(load, "_work", lambda: 60.0)
    assert not load.is_disturbed()


def test_another_machine() -> None:
    """Its load cannot be seen from here."""
    assert ControlLoad.beside(ScriptedEngine(lambda *_: "", host="gpu-box")) is None
    assert ControlLoad.beside(ScriptedEngine(lambda *_: "", host=host_name())) is not None
