"""A stage as a process: its events, its end, and what it leaves behind."""

from __future__ import annotations

import queue
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from tests.unit.shared.processes import until
from tests.unit.shared.small_service import ROOT, WORK

from so8t_shared.artifacts.digests import DigestCache
from so8t_shared.artifacts.fingerprints import stage_key
from so8t_shared.config.load import load_config
from so8t_shared.running.children import StageProcess
from so8t_shared.running.events import Event
from so8t_shared.sessions.session import open_session
from so8t_shared.stages import stage_named
from so8t_shared.store.local import LocalStore


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


class Child:
    """A stage's process and what it told."""

    def __init__(self, config: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SMALL_CONVERT_A", how)
        self.events: queue.Queue[Event | None] = queue.Queue()
        stage = replace(stage_named("convert-a"), work=WORK)
        store = LocalStore(config.parent / "store")
        session = open_session(store, load_config(config))
        key = stage_key(stage, session.config, {}, DigestCache(store.local_root / "digests.sqlite"))
        self.process = StageProcess(
            stage, session, key, config.parent / "out" / "output.txt", lambda _, event: self.events.put(event)
        )

    def told(self) -> list[Event | None]:
        """Everything until the end, which must come."""
        told: list[Event | None] = []
        while not told or told[-1] is not None:
            told.append(self.events.get(timeout=60))
        return told


def test_events_and_the_end(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Log lines and progress arrive as they were sent, then the end; the exit code is the process's."""
    child = Child(config_file, "", monkeypatch)
    told = child.told()
    assert child.process.wait() == 0
    assert Event("convert-a", "log", "making convert-a") in told
    progress = [(event.message, event.done, event.total) for event in told if event and event.kind == "progress"]
    assert progress == [("written", 1, 1)]
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
    until(lambda: (event := child.events.get(timeout=60)) and event.message == "slow", "the slow stage")
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
                if (
                    "so8t_shared.running.child" in process.cmdline()
                    and process.status() != psutil.STATUS_ZOMBIE
                    and process.pid >= group
                ):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    until(lambda: not alive(), "the end of the orphan")
