"""Retry a request while the server does not respond: growing pauses with full jitter, one warning."""

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
    """The default check, which never raises."""


@dataclass(frozen=True)
class Limits:
    """How long a request is retried; other limits are derived by narrowing these, so that none gets lost."""

    patience_s: float
    check: Callable[[], None] = field(default=go_on)
    """Called before each retry and each part of a file; may raise to stop retrying or transferring."""

    def patient(self, seconds: float) -> Limits:
        """These limits with at most `seconds` of retries."""
        return replace(self, patience_s=min(seconds, self.patience_s))

    def checked(self, check: Callable[[], None]) -> Limits:
        """These limits with another check."""
        return replace(self, check=check)

    def also(self, check: Callable[[], None]) -> Limits:
        """These limits with an additional check."""
        earlier = self.check

        def both() -> None:
            earlier()
            check()

        return replace(self, check=both)

    @property
    def wait_s(self) -> float:
        """Network timeout of one try."""
        if self.patience_s <= 0:
            return _LONGEST_WAIT_S
        return min(_LONGEST_WAIT_S, max(_SHORTEST_WAIT_S, self.patience_s))


class Outage:
    """Logs once that the server is unreachable, and once that it is back; shared by all threads."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._guard = threading.Lock()
        self._since: float | None = None

    def goes_on(self, failure: Failure, patience_s: float) -> None:
        """Note that a request failed and is being retried."""
        with self._guard:
            if self._since is not None or patience_s < _QUIET_BELOW_S:
                return
            self._since = time.monotonic()
        reason = failure.detail or failure.code or f"HTTP {failure.status}"
        _log.warning("%s does not answer (%s); retrying for up to %.0f s", self._place, reason, patience_s)

    def is_over(self) -> None:
        """Note that a request got a response."""
        if self._since is None:
            return
        with self._guard:
            since, self._since = self._since, None
        if since is not None:
            _log.warning("%s answers again after %.0f s", self._place, time.monotonic() - since)


def persist(attempt: Callable[[int], T], limits: Limits, outage: Outage, *, denials_doubted: int = 0) -> T:
    """The result of `attempt(number)`, retried after transient failures; numbers start at 0.

    The first `denials_doubted` responses that are doubtful, such as denied access, are retried, too.

    Raises:
        Failure: a permanent one, or the last one when the time limit is reached.
    """
    numbers, denials = itertools.count(), itertools.count()

    def is_tried_again(error: BaseException) -> bool:
        if not isinstance(error, Failure):
            return False
        if error.passing or (error.doubtful and next(denials) < denials_doubted):
            return True
        outage.is_over()
        return False

    def tell(state: RetryCallState) -> None:
        failure = state.outcome.exception() if state.outcome else None
        if isinstance(failure, Failure) and failure.passing and state.attempt_number > 1:
            outage.goes_on(failure, limits.patience_s)  # skip the first: a connection closed while idle is no outage

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
    """Sleep, calling `check` at the start, regularly, and at the end."""
    end = time.monotonic() + pause_s
    while True:
        check()
        left_s = end - time.monotonic()
        if left_s <= 0:
            return
        time.sleep(min(left_s, _CHECK_EVERY_S))
