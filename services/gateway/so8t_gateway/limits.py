"""How often, how many at once, and how slowly clients may ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from uvicorn.protocols.http.h11_impl import H11Protocol

_ARRIVING = {"IDLE", "SEND_BODY"}
"""Names of h11's states of a client whose request is not complete."""

_BURST = 6
"""A bucket holds the share of a minute's requests that may come at once: one sixth."""


class TokenBucket:
    """Lets requests through at a rate, and a few at once after a pause."""

    def __init__(self, per_minute: float, clock: Callable[[], float] = monotonic) -> None:
        self._rate = per_minute / 60
        self._most = max(1.0, per_minute / _BURST)
        self._clock = clock
        self._left = self._most
        self._at = clock()

    def take(self) -> float:
        """Take one; return 0, or the seconds until there is one again if there is none."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return (1 - self._left) / self._rate
        self._left -= 1
        return 0.0


class Inside:
    """Counts those who are inside, up to a limit."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.count = 0

    def enter(self) -> bool:
        """Let one in; False if it is full."""
        if self.count >= self._most:
            return False
        self.count += 1
        return True

    def leave(self) -> None:
        """Let one out."""
        self.count -= 1


def punctual_protocol(receive_s: float) -> type[H11Protocol]:
    """uvicorn's HTTP, with a limit in seconds on how long a request may take to arrive, headers and body.

    Without it, a client that sends a byte now and then keeps a connection and its buffers for good.
    """

    class Punctual(H11Protocol):
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            self._rest()
            super().connection_lost(exc)

        def _watch(self) -> None:
            if repr(self.conn.their_state) not in _ARRIVING:
                self._rest()
            elif self._deadline is None:
                self._deadline = self.loop.call_later(receive_s, self._give_up)

        def _rest(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _give_up(self) -> None:
            self._deadline = None
            if repr(self.conn.their_state) in _ARRIVING and not self.transport.is_closing():
                self.transport.abort()

    return Punctual
