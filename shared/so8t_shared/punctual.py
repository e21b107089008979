"""A limit on how long a web client may take to send its request, for services that others can reach."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

RECEIVE_S = 20.0
"""Seconds for a request to arrive, unless a configuration says otherwise."""

_ARRIVING = {"IDLE", "SEND_BODY"}
"""Names of h11's states of a client whose request is not complete."""


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
