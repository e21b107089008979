"""Trying a request again while the server does not answer: growing pauses with full jitter, told once."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_before_delay, wait_random_exponential

from so8t_shared.store.failures import Failure

T = TypeVar("T")

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_CHECK_EVERY_S = 0.2
_LONGEST_WAIT_S = 30.0
_SHORTEST_WAIT_S = 1.0
_QUIET_BELOW_S = 10.0

_log = logging.getLogger("so8t.store")


def go_on() -> None:
    """Nothing ends the trying."""


@dataclass(frozen=True)
class Limits:
    """How long a request is tried again; other limits are made of these by narrowing, so that none gets lost."""

    patience_s: float
    check: Callable[[], None] = field(default=go_on)
    """Called before each further try and each part of a file; it may raise to end the trying or the transfer."""

    def patient(self, seconds: float) -> Limits:
        """For `seconds` at most."""
        return replace(self, patience_s=min(seconds, self.patience_s))

    def checked(self, check: Callable[[], None]) -> Limits:
        """With that check in place of the earlier one."""
        return replace(self, check=check)

    def also(self, check: Callable[[], None]) -> Limits:
        """With a further check."""
        earlier = self.check

        def both() -> None:
            earlier()
            check()

        return replace(self, check=both)

    @property
    def wait_s(self) -> float:
        """How long one try waits for the network."""
        if self.patience_s <= 0:
            return _LONGEST_WAIT_S
        return min(_LONGEST_WAIT_S, max(_SHORTEST_WAIT_S, self.patience_s))


class Outage:
    """Tells a person once that the server is away, and once that it is back; shared by all threads."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._guard = threading.Lock()
        self._since: float | None = None

    def goes_on(self, failure: Failure, patience_s: float) -> None:
        """A request failed and is tried again."""
        with self._guard:
            if self._since is not None or patience_s < _QUIET_BELOW_S:
                return
            self._since = time.monotonic()
        reason = failure.detail or failure.code or f"HTTP {failure.status}"
        _log.warning("%s does not answer (%s); trying again for up to %.0f s", self._place, reason, patience_s)

    def is_over(self) -> None:
        """A request was answered."""
        if self._since is None:
            return
        with self._guard:
            since, self._since = self._since, None
        if since is not None:
            _log.warning("%s answers again after %.0f s", self._place, time.monotonic() - since)


def persist(attempt: Callable[[int], T], limits: Limits, outage: Outage, *, denials_doubted: int = 0) -> T:
    """What `attempt(number)` gives, tried again after failures that pass; numbers count from 0.

    The first `denials_doubted` answers that deny access are tried again, too.

    Raises:
        Failure: one that does not pass, or the last one when the patience ends.
    """
    numbers, denials = itertools.count(), itertools.count()

    def is_tried_again(error: BaseException) -> bool:
        if not isinstance(error, Failure):
            return False
        if error.passing or (error.denied and next(denials) < denials_doubted):
            return True
        outage.is_over()
        return False

    def tell(state: RetryCallState) -> None:
        failure = state.outcome.exception() if state.outcome else None
        if isinstance(failure, Failure) and failure.passing and state.attempt_number > 1:
            outage.goes_on(failure, limits.patience_s)  # not the first: a connection closed while idle is no outage

    answer = Retrying(
        retry=retry_if_exception(is_tried_again),
        stop=stop_before_delay(limits.patience_s),
        wait=wait_random_exponential(multiplier=_FIRST_PAUSE_S, max=_LONGEST_PAUSE_S),
        sleep=partial(_sleep, check=limits.check),
        before_sleep=tell,
        reraise=True,
    )(lambda: attempt(next(numbers)))
    outage.is_over()
    return answer


def _sleep(pause_s: float, check: Callable[[], None]) -> None:
    """Sleep, asking `check` at once, often, and at the end."""
    end = time.monotonic() + pause_s
    while True:
        check()
        left_s = end - time.monotonic()
        if left_s <= 0:
            return
        time.sleep(min(left_s, _CHECK_EVERY_S))
