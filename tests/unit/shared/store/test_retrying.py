"""Retries: how long, how often, what is logged, and what ends them."""

from __future__ import annotations

import itertools
import logging
import random
import time

import pytest

from so8t_shared.errors import LeaseLost
from so8t_shared.store import retrying
from so8t_shared.store.failures import Failure
from so8t_shared.store.retrying import Limits, Outage, persist

PASSING = Failure(503, "SlowDown")
DENIED = Failure(403, "AccessDenied")


class _Server:
    """Fails as often as it was told, then answers with the number of the try."""

    def __init__(self, failures: int, failure: Failure = PASSING) -> None:
        self.failures = failures
        self.failure = failure
        self.tries = 0

    def __call__(self, number: int) -> int:
        assert number == self.tries
        self.tries += 1
        if self.tries <= self.failures:
            raise self.failure
        return number


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "_FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(retrying, "_LONGEST_PAUSE_S", 0.01)


@pytest.mark.parametrize("failures", [0, 1, 7])
def test_it_goes_on_until_there_is_an_answer(failures: int) -> None:
    """Failures that pass are followed by another try, as often as needed."""
    assert persist(_Server(failures), Limits(30.0), Outage("here")) == failures


def test_what_does_not_pass_is_not_tried_again() -> None:
    """A refusal is raised at once."""
    server = _Server(5, Failure(403, "AccessDenied"))
    with pytest.raises(Failure) as caught:
        persist(server, Limits(30.0), Outage("here"))
    assert caught.value is server.failure
    assert server.tries == 1


def test_doubted_denials_are_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """As many denials as the caller doubts are followed by another try, and are not reported as an outage."""
    with caplog.at_level(logging.WARNING, "so8t.store"):
        assert persist(_Server(3, DENIED), Limits(30.0), Outage("here"), denials_doubted=3) == 3
    assert caplog.records == []


def test_one_more_denial_is_believed() -> None:
    """Keys that lack the right get the server's answer after the doubts; other refusals are never doubted."""
    for failure, tries in ((DENIED, 4), (Failure(404, "NoSuchBucket"), 1)):
        server = _Server(10, failure)
        with pytest.raises(Failure) as caught:
            persist(server, Limits(30.0), Outage("here"), denials_doubted=3)
        assert caught.value is failure
        assert server.tries == tries


def test_hiccups_use_up_no_doubts() -> None:
    """A write that meets an outage and then a race still gets through."""
    failures = [PASSING] * 5 + [DENIED] * 3

    def attempt(number: int) -> int:
        if number < len(failures):
            raise failures[number]
        return number

    assert persist(attempt, Limits(30.0), Outage("here"), denials_doubted=3) == 8


def test_without_patience_there_is_one_try() -> None:
    """With retry_s = 0 the first failure is the last, a doubtful one, too."""
    for failure in (PASSING, DENIED):
        server = _Server(5, failure)
        with pytest.raises(Failure):
            persist(server, Limits(0.0), Outage("here"), denials_doubted=3)
        assert server.tries == 1


def test_patience_ends() -> None:
    """A server that stays away is given up after the patience, with its last failure."""
    began = time.monotonic()
    with pytest.raises(Failure) as caught:
        persist(_Server(10**9), Limits(0.3), Outage("here"))
    assert caught.value is PASSING
    assert time.monotonic() - began >= 0.2


def test_a_check_ends_the_trying() -> None:
    """What `check` raises ends it before the next try: who lost the lease writes nothing more."""
    server, lost = _Server(10**9), itertools.count()

    def check() -> None:
        if next(lost) == 3:
            raise LeaseLost("taken")

    with pytest.raises(LeaseLost):
        persist(server, Limits(30.0, check), Outage("here"))
    assert server.tries < 5


def test_limits_are_narrowed() -> None:
    """The shortest patience counts; a check takes the place of the earlier one, or is made after it."""
    asked: list[str] = []
    limits = Limits(30.0).checked(lambda: asked.append("stop")).patient(9.0).also(lambda: asked.append("lease"))
    limits = limits.patient(20.0)
    limits.check()
    assert asked == ["stop", "lease"]
    assert limits.patience_s == 9.0
    limits.checked(lambda: asked.append("other")).check()
    assert asked == ["stop", "lease", "other"]


def test_the_first_try_needs_no_check() -> None:
    """A request that is answered at once asks nobody."""

    def check() -> None:
        raise LeaseLost("taken")

    assert persist(_Server(0), Limits(30.0, check), Outage("here")) == 0


def test_an_outage_is_told_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    """However many tries, two lines; the next outage is logged again."""
    outage = Outage("The store")
    with caplog.at_level(logging.WARNING, "so8t.store"):
        for _ in range(2):
            persist(_Server(6, Failure(0, "refused", "connection refused")), Limits(30.0), outage)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 4
    assert lines[0] == "The store does not answer (connection refused); retrying for up to 30 s"
    assert lines[1].startswith("The store answers again after")
    assert lines[2:][0] == lines[0]


def test_a_single_hiccup_is_not_worth_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """A connection that the server closed while idle fails once and is not told."""
    with caplog.at_level(logging.WARNING, "so8t.store"):
        persist(_Server(1), Limits(30.0), Outage("here"))
    assert caplog.records == []


def test_pauses_grow_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are drawn between nothing and a bound that doubles up to a limit, so that clients do not come in step."""
    bounds: list[float] = []

    def uniform(low: float, high: float) -> float:
        assert low == 0
        bounds.append(high)
        return 0.0

    monkeypatch.setattr(random, "uniform", uniform)
    persist(_Server(7), Limits(30.0), Outage("here"))
    assert bounds == [0.001, 0.002, 0.004, 0.008, 0.01, 0.01, 0.01]


def test_one_try_waits_no_longer_than_the_patience() -> None:
    """A short patience makes each wait for the network short too, within sensible bounds."""
    assert [Limits(s).wait_s for s in (300.0, 5.0, 0.2, 0.0)] == [30.0, 5.0, 1.0, 30.0]
