"""What holds for every response and every request, whatever the route."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from so8t_gateway.apis.api import error

_ON_EVERY_RESPONSE = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


class Hardened:
    """Refuses requests whose length is told twice, and forbids caching and guessing of types.

    A proxy in front may believe the other length (RFC 9112, 6.3), and take the end of one client's body for the next
    request, or one client's answer for another's.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _ON_EVERY_RESPONSE.items():
                    headers.setdefault(name, value)
            await send(message)

        names = {name for name, _ in scope["headers"]}
        if {b"content-length", b"transfer-encoding"} <= names:
            response = error(400, "Send content-length or transfer-encoding, not both.")
            response.headers["connection"] = "close"
            await response(scope, receive, send_hardened)
            return
        await self._app(scope, receive, send_hardened)
