"""Limits on web clients that take their time to send a request, for services that others can reach."""

from __future__ import annotations

import asyncio
import logging

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from so8t_shared.one_write import OneWrite

RECEIVE_S = 20.0
"""Seconds for a request to arrive, unless a configuration says otherwise."""
MOST_WAITING = 256
"""Connections on which no whole request has arrived; far below the 1,024 files that a process may often have open."""

_ARRIVING = (h11.IDLE, h11.SEND_BODY)
"""h11's states of a client whose request is not complete."""
_TELL_EVERY_S = 60.0

log = logging.getLogger("uvicorn.error")


class Waiting:
    """The connections on which a request is waited for, the longest first; one too many costs another one its place.

    So thousands of idle connections shut nobody out, as refusing new ones would: who connects and asks is served.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._all: dict[Punctual, None] = {}
        self._tell_at = 0.0

    def add(self, one: Punctual) -> None:
        """Let one wait; if there are too many, hang up on the longest silent, rather on one that was never answered."""
        self._all[one] = None
        if len(self._all) <= self._most:
            return
        others = [each for each in self._all if each is not one]
        victim = next((each for each in others if each.cycle is None), others[0])
        self.remove(victim)
        victim.transport.abort()
        if one.loop.time() >= self._tell_at:
            self._tell_at = one.loop.time() + _TELL_EVERY_S
            log.warning("More than %d connections wait without a request; the oldest are closed.", self._most)

    def remove(self, one: Punctual) -> None:
        """Note that its request has arrived, or its connection has ended."""
        self._all.pop(one, None)


class Punctual(H11Protocol):
    """uvicorn's HTTP, with limits on how long a request may take to arrive, and on how many may be arriving.

    Without them, a client that sends a byte now and then keeps a connection and its buffers for good.
    """

    receive_s: float
    waiting: Waiting
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a request."""
        self.conn = OneWrite(h11.SERVER)
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take a part of one."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Expect the next one; until it begins, uvicorn's timeout for kept connections holds."""
        super().on_response_complete()
        if self._is_arriving and not self.transport.is_closing():
            self.waiting.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect none any more."""
        self._rest()
        super().connection_lost(exc)

    @property
    def _is_arriving(self) -> bool:
        return self.conn.their_state in _ARRIVING

    def _watch(self) -> None:
        if not self._is_arriving or self.transport.is_closing():
            self._rest()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.receive_s, self._give_up)
            self.waiting.add(self)

    def _rest(self) -> None:
        self.waiting.remove(self)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self._is_arriving and not self.transport.is_closing():
            self.transport.abort()


def punctual_protocol(receive_s: float, most_waiting: int = MOST_WAITING) -> type[H11Protocol]:
    """`Punctual` for one server: seconds for a request to arrive, headers and body, and how many may be arriving."""
    return type("Punctual", (Punctual,), {"receive_s": receive_s, "waiting": Waiting(most_waiting)})
