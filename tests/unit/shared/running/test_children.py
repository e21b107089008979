"""A stage as a process: its events, its end, and what it leaves behind."""

from __future__ import annotations

import queue
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.unit.shared.processes import until
from tests.unit.shared.small_service import MODULE, ROOT

from so8t_shared.running.children import StageProcess
from so8t_shared.stages import stage_named

Event = dict[str, Any] | None


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


class Child:
    """A stage's process and what it told."""

    def __init__(self, config: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SMALL_CONVERT_A", how)
        self.events: queue.Queue[Event] = queue.Queue()
        stage = replace(stage_named("convert-a"), work=f"{MODULE}.stages:work")
        self.process = StageProcess(
            stage, ["-c", str(config)], config.parent / "out" / "output.txt", lambda _, event: self.events.put(event)
        )

    def told(self) -> list[Event]:
        """Everything until the end, which must come."""
        told: list[Event] = []
        while not told or told[-1] is not None:
            told.append(self.events.get(timeout=60))
        return told


def test_events_and_the_end(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Log lines and progress arrive as they were sent, then the end; the exit code is the process's."""
    child = Child(config_file, "", monkeypatch)
    told = child.told()
    assert child.process.wait() == 0
    assert {"type": "log", "level": "INFO", "message": "making convert-a"} in told
    assert {"type": "progress", "state": "running", "done": 1, "total": 1, "message": "written"} in told
    assert told.count(None) == 1


def test_what_it_printed(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the process and its libraries print is kept, not shown."""
    child = Child(config_file, "fail", monkeypatch)
    child.told()
    assert child.process.wait() == 2
    assert child.process.last_output().startswith("The model is cut.")


def test_a_secret_that_a_library_printed(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the output is shown when the process dies; a credential in it is not."""
    monkeypatch.setenv("HF_TOKEN", "hf_a-secret-value")
    child = Child(config_file, "exit", monkeypatch)
    child.told()
    (config_file.parent / "out" / "output.txt").write_text("GET https://hub.example/?token=hf_a-secret-value\n")
    assert child.process.last_output() == "GET https://hub.example/?token=***"


def test_asking_to_stop(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked twice, it gets one signal: a second would end it hard."""
    child = Child(config_file, "slow", monkeypatch)
    until(lambda: (child.events.get(timeout=60) or {}).get("message") == "slow", "the slow stage")
    child.process.ask_to_stop_once()
    child.process.ask_to_stop_once()
    child.told()
    assert child.process.wait() == 75
    child.process.ask_to_stop_once()


def test_killed(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was killed ends with minus the signal's number."""
    child = Child(config_file, "kill", monkeypatch)
    child.told()
    assert child.process.wait() == -9


def test_workers_left_behind(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed stage whose forked worker still holds the pipe is noticed at once, and the worker is ended too."""
    child = Child(config_file, "orphan", monkeypatch)
    group = child.process._process.pid
    child.told()
    assert child.process.wait() == -9

    def alive() -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if MODULE in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE and process.pid >= group:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    until(lambda: not alive(), "the end of the orphan")
