"""Logs: kept with the session, the last attempts only, and never a credential."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.unit.shared.material import Events, progress_of

from so8t_shared.errors import InputError, Interrupted, ServerError, StorageError
from so8t_shared.escapes import harmless
from so8t_shared.running.logs import log_end, stage_logger
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.local import LocalStore
from so8t_shared.store.testing.faulty import Call, Fault, FaultyStore

KEY = "sessions/s/train/log.jsonl"


def _lines(store: LocalStore) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (store.get_bytes(KEY) or b"").decode().split("\n")[:-1]]


@contextmanager
def _log(store: ArtifactStore, events: Events | None = None) -> Iterator[logging.Logger]:
    """The logger of an attempt, from the beginning of its work to the end."""
    events = events or Events()
    reporter = progress_of(store, "s", "train", events)
    reporter.tell("started")
    try:
        with stage_logger(reporter, "train") as log:
            yield log
    finally:
        events.flush()


def _attempt(store: ArtifactStore, message: str) -> None:
    with _log(store) as log:
        log.info(message)


def test_a_late_attempt_erases_no_lines(store: LocalStore) -> None:
    """An attempt that wakes up after its successor has finished adds its lines and keeps all others."""
    events = [Events(), Events()]
    late, successor = (progress_of(store, "s", "train", each) for each in events)
    late.tell("started")
    late.log("INFO", "early 1")
    events[0].flush()
    successor.tell("started")
    successor.log("INFO", "successor")
    events[1].flush()
    for text in ("late 1", "late 2"):
        late.log("INFO", text)
        events[0].flush()
    assert [(line["attempt"], line["message"]) for line in _lines(store)] == [
        *((1, text) for text in ("early 1", "late 1", "late 2")),
        (2, "successor"),
    ]


def test_lines_are_kept(store: LocalStore) -> None:
    """Every level is kept with attempt, time and text; from INFO on a person sees it live."""
    events = Events()
    with _log(store, events) as log:
        log.debug("details %d", 1)
        log.info("step %s", "日本語")
        log.warning("careful")
        log.info("not for the screen", extra={"quiet": True})
    assert [(line["attempt"], line["level"], line["message"]) for line in _lines(store)] == [
        (1, "DEBUG", "details 1"),
        (1, "INFO", "step 日本語"),
        (1, "WARNING", "careful"),
        (1, "INFO", "not for the screen"),
    ]
    assert all(line["time"] for line in _lines(store))
    assert events.logs == [("INFO", "step 日本語"), ("WARNING", "careful")]


def test_every_kind_of_line_break(store: LocalStore) -> None:
    """A line of the log ends at \\n alone, so a text with other breaks, as escapes, stays after the next attempt."""
    odd = "one\u2028two\u2029three\x85four\x0bfive\r\nsix"
    for message in (odd, "next"):
        _attempt(store, message)
    assert [(line["attempt"], line["message"]) for line in _lines(store)] == [(1, harmless(odd)), (2, "next")]


def test_the_last_five_attempts_stay(store: LocalStore) -> None:
    """Older ones go, so that the log of a stage that fails every night does not grow for ever."""
    for number in range(1, 9):
        _attempt(store, f"attempt {number}")
    assert [(line["attempt"], line["message"]) for line in _lines(store)] == [
        (number, f"attempt {number}") for number in range(4, 9)
    ]


def test_all_lines_of_an_attempt_stay(store: LocalStore) -> None:
    """An attempt is kept or dropped as a whole."""
    for _ in range(6):
        with _log(store) as log:
            for number in range(3):
                log.info("%d", number)
    assert [line["attempt"] for line in _lines(store)] == [n for n in range(2, 7) for _ in range(3)]


def test_a_damaged_log_is_no_obstacle(store: LocalStore) -> None:
    """Lines that are no JSON are dropped, the others stay, and the next attempt is logged."""
    _attempt(store, "first")
    store.put_bytes(KEY, (store.get_bytes(KEY) or b"") + b'{"cut\n\xff\xfe\n[]\n{"attempt": "x"}\n')
    _attempt(store, "second")
    assert [(line["attempt"], line["message"]) for line in _lines(store)] == [(1, "first"), (2, "second")]


SECRETS = {
    "MINIO_SECRET_KEY": "s3cr3t-value",
    "HF_TOKEN": "hf_abcdefgh",
    "DB_PASSWORD": "s3cr3t",  # a part of another one
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "SOME_API_KEY": "key-123456",
    "my_private_key": "lower-case-name",
}


def test_credentials_are_redacted(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values of this process's environment that look like credentials reach neither log nor screen nor traceback."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    events = Events()
    with _log(store, events) as log:
        log.info("opened with %s", " and ".join(SECRETS.values()))
        try:
            raise ValueError(f"refused: {SECRETS['HF_TOKEN']}")
        except ValueError:
            log.debug("failed", exc_info=True)
    written = (store.get_bytes(KEY) or b"").decode() + str(events.logs)
    assert not [value for value in SECRETS.values() if value in written]
    assert "-value" not in written  # no rest of a secret whose beginning is another one
    assert "opened with *** and" in written
    assert "Traceback" in written


def test_short_and_ordinary_values_stay(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value of a few letters is no credential, and redacting it would make every line unreadable."""
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.setenv("HOME_OF_TESTS", "/some/ordinary/path")
    _attempt(store, "it is false that /some/ordinary/path is secret")
    assert _lines(store)[-1]["message"] == "it is false that /some/ordinary/path is secret"


def test_a_name_that_is_not_text(store: LocalStore) -> None:
    """The name of a file that is no UTF-8 can be logged."""
    _attempt(store, b"/data/r\xe9sum\xe9".decode("utf-8", "surrogateescape"))
    assert "sum" in _lines(store)[-1]["message"]


def test_a_full_disk_does_not_end_the_work(store: LocalStore) -> None:
    """A log that cannot be written is not worth an error."""
    _attempt(FaultyStore(store, [Fault("*put*", StorageError("The disk is full."))]), "x")
    assert _lines(store) == []


def test_a_hiccup_at_the_start_neither_ends_the_work_nor_costs_the_log(store: LocalStore) -> None:
    """Earlier lines are waited for as long as any part of the work is, though writing them is not."""
    _attempt(store, "first")

    def hasty(call: Call) -> None:
        if call.patience_s < 3:
            raise ServerError("The store's server does not answer.")

    away = FaultyStore(store, [Fault("read_versioned", hasty)])
    with _log(away) as log:
        log.info("second")
    assert [(line["attempt"], line["message"]) for line in _lines(store)] == [(1, "first"), (2, "second")]


@pytest.mark.parametrize("back", [True, False])
def test_an_outage_at_the_start_does_not_end_the_work(store: LocalStore, back: bool) -> None:
    """Until the earlier lines can be read, nothing is written over them; then both are there."""
    _attempt(store, "first")
    away = FaultyStore(store, [Fault("read_versioned", ServerError("The store's server does not answer."), key=KEY)])
    with _log(away) as log:
        log.info("second")
        if back:
            away.fail_on.clear()
    expected = [(1, "first"), (2, "second")] if back else [(1, "first")]
    assert [(line["attempt"], line["message"]) for line in _lines(store)] == expected


def test_what_was_logged_before_an_error_is_written(store: LocalStore) -> None:
    """The log is written also when the block ends with an exception."""

    def work() -> None:
        with _log(store) as log:
            log.info("before")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert _lines(store)[-1]["message"] == "before"


def test_loggers_do_not_pile_up(store: LocalStore) -> None:
    """A second attempt in the same process logs each line once."""
    _attempt(store, "one")
    _attempt(store, "two")
    assert [line["message"] for line in _lines(store)] == ["one", "two"]


@pytest.mark.parametrize(
    ("error", "level", "message"),
    [
        (
            InputError("No label.", where="rows:3", remedy="add it"),
            "ERROR",
            "No label.\n  where: rows:3\n  to do: add it",
        ),
        (Interrupted("Stopped."), "INFO", "Stopped."),
        (ZeroDivisionError("100 % wrong"), "ERROR", "Unexpected ZeroDivisionError: 100 % wrong\n  to do: "),
    ],
)
def test_the_end_of_an_attempt(store: LocalStore, error: Exception, level: str, message: str) -> None:
    """Why it ended is a line for everybody, its traceback one for --all; whoever ends the process shows it live."""
    events = Events()
    with _log(store, events) as log:
        try:
            raise error
        except Exception as caught:  # noqa: BLE001 - each of them
            log_end(log, caught)
    end, trace = _lines(store)
    assert end["level"] == level
    assert end["message"].startswith(message)
    assert "traceback" not in end
    assert trace["level"] == "DEBUG"
    assert "Traceback" in trace["traceback"]
    assert events.logs == []
