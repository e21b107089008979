"""Events: who hears what, the pipe of a run's child, and no trouble for the work."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import get_args

import pytest
from tests.unit.shared.material import Events, make_config, stage_run

from so8t_shared.running.events import Audience, Event, Listener, Listeners, Scene
from so8t_shared.running.pipe import Pipe, read_events
from so8t_shared.sessions.session import Session
from so8t_shared.stages import STAGES
from so8t_shared.store.local import LocalStore
from so8t_shared.tables.functions import named
from so8t_shared.tables.listeners import ROWS, Kind, Place, Row

KINDS: tuple[Kind, ...] = get_args(Kind)


class _Keeper(Listener):
    """Keeps the events that it hears."""

    def __init__(self) -> None:
        self.told: list[Event] = []

    def hear(self, event: Event) -> None:
        self.told.append(event)


@pytest.fixture
def pipe() -> Iterator[tuple[int, Pipe]]:
    """The reading end, and a listener that writes to the other one."""
    reading, writing = os.pipe()
    yield reading, Pipe(writing)
    os.close(reading)


# The table


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_row_takes_every_event_that_it_hears(row: Row, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """In each of its places a row opens a listener, which takes every kind it hears, with and without a count."""
    monkeypatch.setenv("SO8T_SOUND_BACKEND", "null")
    session = Session("s", make_config(store.local_root, notify={"sound": True}), "")
    run = stage_run(STAGES[0], session, store)
    for place in row.at:
        listeners = Listeners(place)
        run.listeners = listeners
        reading, writing = os.pipe()
        if row.of_session:
            run.open_listeners()
        else:
            listeners.open(Scene(STAGES, pipe=writing))
        opened = [each for each in listeners._open if each.row is row]
        assert [type(each.listener).hear is not Listener.hear for each in opened] == [True]
        for kind in row.hears:
            opened[0].listener.hear(Event("convert-a", kind, "[/] words", 1, 2))
            opened[0].listener.hear(Event("convert-a", kind))
        listeners.flush()
        listeners.close()
        os.close(reading)


@pytest.mark.parametrize("place", get_args(Place))
def test_each_place_has_a_listener_for_the_user(place: Place) -> None:
    """Wherever a stage works, a listener that is no file hears its beginning, progress, log and end."""
    heard = {kind for row in ROWS if place in row.at and not row.of_session for kind in row.hears}
    assert heard == set(KINDS)


def test_rows_name_functions() -> None:
    """Each row's function is there."""
    assert all(callable(named(row.open)) for row in ROWS)


# Who hears what


def test_a_row_chooses_its_kinds() -> None:
    """A listener hears the kinds of its row alone."""
    listeners, keeper = Listeners("run"), _Keeper()
    listeners.add(keeper, Row("ends", "", at=("run",), hears=("finished", "failed")))
    for kind in KINDS:
        listeners.hear(Event("train", kind))
    assert [event.kind for event in keeper.told] == ["finished", "failed"]


@pytest.mark.parametrize(
    ("of_session", "heard"), [(False, ["all", "here"]), (True, ["all", "session"])], ids=["screen", "session"]
)
def test_an_audience(of_session: bool, heard: list[Audience]) -> None:
    """What concerns this process alone is not kept with the session, and the other way round."""
    listeners, keeper = Listeners("stage"), _Keeper()
    listeners.add(keeper, Row("keeper", "", at=("stage",), of_session=of_session))
    for audience in get_args(Audience):
        listeners.hear(Event("train", "log", audience=audience))
    assert [event.audience for event in keeper.told] == heard


def test_each_has_its_own_pace() -> None:
    """Steps come no closer than a row wants; what is urgent comes at once, and other listeners hear everything."""
    listeners, hasty, slow = Listeners("stage"), _Keeper(), _Keeper()
    listeners.add(hasty)
    listeners.add(slow, Row("slow", "", at=("stage",), every_s=1000))
    for done in (1, 2, 3):
        listeners.hear(Event("train", "progress", done=done, total=3, at_once=done == 3))
    listeners.hear(Event("train", "finished"))
    assert [event.done for event in hasty.told] == [1, 2, 3, 0]
    assert [(event.kind, event.done) for event in slow.told] == [("progress", 1), ("progress", 3), ("finished", 0)]


def test_no_secret_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A credential of this process is in no text that a listener gets."""
    monkeypatch.setenv("HF_TOKEN", "hf_a-secret-value")
    listeners, keeper = Listeners("run"), _Keeper()
    listeners.add(keeper)
    listeners.hear(Event("train", "log", "with hf_a-secret-value", traceback="at hf_a-secret-value"))
    assert [(event.message, event.traceback) for event in keeper.told] == [("with ***", "at ***")]


def test_logs_alone() -> None:
    """While looking for something to reuse, only log lines are passed on."""
    events = Events()
    for kind in KINDS:
        events.logs_alone().hear(Event("train", kind, "x"))
    assert (events.logs, events.states) == ([("INFO", "x")], [])


# The pipe


def test_events_on_a_pipe(pipe: tuple[int, Pipe]) -> None:
    """Each event arrives as it was sent, whatever is in its text; one that is cut is left out."""
    reading, writer = pipe
    sent = [
        Event("train", "log", "two\nlines, 日本語 and \udce9", level="WARNING"),
        Event("train", "progress", "step", 3, 10, fingerprint="f" * 64, at_once=False),
    ]
    for event in sent:
        writer.hear(event)
    data = os.read(reading, 65536)
    assert list(read_events(io.BytesIO(data + b'{"stage": "tr'))) == sent


def test_the_pipe_is_not_inherited(pipe: tuple[int, Pipe]) -> None:
    """Programs that a stage starts do not keep the pipe open."""
    code = "import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[3:])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, close_fds=False, check=True)
    assert pipe[1]._file.fileno() not in json.loads(done.stdout)


def test_nobody_reads_any_more() -> None:
    """When the reader is gone, events are dropped and the stage goes on."""
    reading, writing = os.pipe()
    writer = Pipe(writing)
    os.close(reading)
    for _ in range(3):
        writer.hear(Event("train", "log", "x"))
    writer.close()


def test_an_event_is_plain_data() -> None:
    """All of its fields are text, numbers and truth values, so that it passes a pipe unchanged."""
    event = Event("train", "log")
    assert {type(value) for value in dataclasses.asdict(event).values()} <= {str, int, bool}
