"""Events: JSON lines on a pipe under `run`, plain lines on standard error alone."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from so8t_shared.running.events import EventSink, SinkHandler, pipe_variables


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, EventSink]]:
    """The reading end, and a sink that writes to the other one."""
    reading, writing = os.pipe()
    for name, value in pipe_variables(writing).items():
        monkeypatch.setenv(name, value)
    sink = EventSink()
    yield reading, sink
    os.close(reading)


def _read(handle: int) -> list[dict[str, Any]]:
    return [json.loads(line) for line in os.read(handle, 65536).decode("ascii").splitlines()]


def test_events_on_a_pipe(pipe: tuple[int, EventSink]) -> None:
    """Each event is one line of JSON, whatever is in its text."""
    reading, sink = pipe
    sink.log("WARNING", "two\nlines, 日本語 and \udce9")
    sink.progress("running", 3, 10, "step")
    assert _read(reading) == [
        {"type": "log", "level": "WARNING", "message": "two\nlines, 日本語 and \udce9"},
        {"type": "progress", "state": "running", "done": 3, "total": 10, "message": "step"},
    ]


def test_the_pipe_is_not_inherited(pipe: tuple[int, EventSink]) -> None:
    """Programs that a stage starts neither know of the pipe nor keep it open."""
    code = "import os; print('SO8T_EVENT_FD' in os.environ, sorted(map(int, os.listdir('/proc/self/fd')))[3:])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, close_fds=False, check=True)
    told, handles = done.stdout.strip().split(" ", 1)
    assert told == "False"
    writing = pipe[1]._pipe
    assert writing is not None
    assert writing.fileno() not in json.loads(handles)


def test_nobody_listens_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the reader is gone, events are dropped and the stage goes on."""
    reading, writing = os.pipe()
    monkeypatch.setenv(*next(iter(pipe_variables(writing).items())))
    sink = EventSink()
    os.close(reading)
    for _ in range(3):
        sink.log("INFO", "x")


def test_alone_on_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    """Without a pipe each event is a line that a person can read; standard output stays free."""
    sink = EventSink()
    sink.log("WARNING", "careful")
    sink.progress("running", 3, 10, "step")
    sink.progress("waiting", 0, 0, "for train")
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == ["warning careful", "running 3/10 step", "waiting for train"]


def test_what_is_waited_for(capfd: pytest.CaptureFixture[str]) -> None:
    """It is told at once when it changes, and not again while it does not; steps are told now and then."""
    sink = EventSink()
    for message in ("for train", "for train", "for train; train failed", "for train"):
        sink.progress("waiting", 0, 0, message)
    for step in range(1, 9):
        sink.progress("running", step, 10, "step")
    told = ["waiting for train", "waiting for train; train failed", "waiting for train", "running 1/10 step"]
    assert capfd.readouterr().err.splitlines() == told


def test_log_records_become_events(capfd: pytest.CaptureFixture[str]) -> None:
    """What a library part says through logging is told like the stage's own lines."""
    logger = logging.getLogger("test.records")
    logger.addHandler(SinkHandler(EventSink()))
    logger.warning("%s does not answer", "The store")
    assert capfd.readouterr().err.splitlines() == ["warning The store does not answer"]
