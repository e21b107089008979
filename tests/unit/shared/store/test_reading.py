"""Reading bytes: a server that is away is waited for, one that has lost them is recognized by its own answers alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from so8t_shared.store import reading, retrying
from so8t_shared.store.failures import Failure
from so8t_shared.store.reading import persist_reading
from so8t_shared.store.retrying import Limits, Outage

SPOILT = [Failure(500, "InternalError"), Failure(0, "cut")]
AWAY = [
    *(Failure(0, code) for code in ("silent", "refused", "name", "broken")),
    *(Failure(503, "SlowDown"), Failure(503, "ServiceUnavailable"), Failure(429, ""), Failure(502, "")),
]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "_FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(retrying, "_LONGEST_PAUSE_S", 0.01)


class _Object:
    """Bytes behind a list of failures, the last of which goes on for ever, and a HEAD that may fail too."""

    def __init__(self, failures: Iterable[Failure | None], look: Failure | None = None) -> None:
        self._failures = list(failures)
        self._look = look
        self.looks = 0

    def get(self) -> bytes:
        failure = self._failures.pop(0) if len(self._failures) > 1 else self._failures[0]
        if failure is not None:
            raise failure
        return b"bytes"

    def look(self) -> None:
        self.looks += 1
        if self._look is not None:
            raise self._look

    def read(self, patience_s: float = 0.2, check: Callable[[], None] = lambda: None) -> bytes:
        return persist_reading(self.get, self.look, Limits(patience_s, check), Outage("here"))


@pytest.mark.parametrize("failure", AWAY, ids=str)
def test_a_server_that_is_away_has_lost_nothing(failure: Failure) -> None:
    """However long GETs alone get no answer, or are to come later, nobody says that the bytes are lost."""
    stored = _Object([failure])
    with pytest.raises(Failure) as caught:
        stored.read()
    assert caught.value is failure
    assert stored.looks == 0


@pytest.mark.parametrize("failure", SPOILT, ids=str)
def test_a_server_that_fails_at_these_bytes_has_lost_them(failure: Failure) -> None:
    """Internal errors, or answers that end too soon, for all the patience, while the object is shown otherwise."""
    stored = _Object([failure])
    with pytest.raises(Failure) as caught:
        stored.read()
    assert caught.value.code == "unreadable"
    assert not caught.value.passing
    assert stored.looks == 1


def test_the_verdict_need_not_wait_for_the_end_of_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long patience is for a server that is away; spoilt answers for a while are enough."""
    monkeypatch.setattr(reading, "_SPOILT_S", 0.05)
    with pytest.raises(Failure) as caught:
        _Object(SPOILT[:1]).read(patience_s=600.0)
    assert caught.value.code == "unreadable"


@pytest.mark.parametrize("between", AWAY, ids=str)
def test_an_outage_between_them_begins_the_count_anew(between: Failure) -> None:
    """A server that is killed and starts again cuts answers too; the last word is the outage's."""
    stored = _Object([*SPOILT, *SPOILT, *SPOILT, between])
    with pytest.raises(Failure) as caught:
        stored.read()
    assert caught.value is between


def test_a_hiccup_is_ridden_out() -> None:
    """Some spoilt answers, then the bytes: they are read."""
    stored = _Object([*SPOILT, *SPOILT, None])
    assert stored.read(30.0) == b"bytes"
    assert stored.looks == 0


def test_one_spoilt_answer_is_no_verdict() -> None:
    """Without patience the first failure is the last, and is raised as it is."""
    with pytest.raises(Failure) as caught:
        _Object(SPOILT[:1]).read(0.0)
    assert caught.value is SPOILT[0]


def test_a_server_that_fails_at_everything_has_not_lost_this() -> None:
    """Where the object cannot even be looked at, the server is in trouble, not the bytes."""
    trouble = Failure(500, "")
    with pytest.raises(Failure) as caught:
        _Object(SPOILT[:1], look=trouble).read()
    assert caught.value is trouble


def test_what_does_not_pass_is_told_at_once() -> None:
    """A refusal, or an object that was replaced meanwhile, is no spoilt answer."""
    for failure in (Failure(403, "AccessDenied"), Failure(412, "PreconditionFailed"), Failure(404, "NoSuchKey")):
        with pytest.raises(Failure) as caught:
            _Object([*SPOILT, *SPOILT, failure]).read(30.0)
        assert caught.value is failure
