"""Who may look: the Host header, the token, and what a browser may load."""

from __future__ import annotations

import hashlib
import hmac
import socket
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "so8t_ui"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
LOGIN_POLICY = POLICY.replace("form-action 'none'", "form-action 'self'")
_OPEN = ("/login", "/static/", "/health")
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Access:
    """The token that protects the dashboard, if there is one."""

    def __init__(self, token: str = "") -> None:
        self._token = token.encode()

    @property
    def needed(self) -> bool:
        """Whether a token is needed."""
        return bool(self._token)

    def is_token(self, text: str) -> bool:
        """Whether that is the token."""
        return self.needed and hmac.compare_digest(_digest(text.encode()), _digest(self._token))

    @property
    def cookie(self) -> str:
        """What a browser keeps after it has shown the token: derived from it, and worthless after it has changed."""
        return hmac.new(self._token, b"so8t-ab ui", hashlib.sha256).hexdigest()

    def admits(self, headers: Headers) -> bool:
        """Whether a request carries the token or the cookie."""
        if not self.needed:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.is_token(given.strip()):
            return True
        return hmac.compare_digest(_digest(_cookie(headers).encode()), _digest(self.cookie.encode()))


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


class Guard:
    """Lets a request through if its Host is ours and it carries the token, and sets the headers of each answer."""

    def __init__(self, app: ASGIApp, access: Access, names: Iterable[str] = ()) -> None:
        self._app = app
        self._access = access
        self._names = {name.lower() for name in names} | {"localhost", socket.gethostname().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer = self._refusal(scope)
        await (answer or self._app)(scope, receive, sending)

    def _refusal(self, scope: Scope) -> Response | None:
        headers, path = Headers(scope=scope), scope["path"]
        if not self._is_ours(headers.get("host", "")):
            return PlainTextResponse("This address is not the dashboard's; see --name.\n", 421)
        if self._access.admits(headers) or path.startswith(_OPEN):
            return None
        if "text/html" in headers.get("accept", ""):
            return RedirectResponse("/login", 303)
        return PlainTextResponse("A token is needed.\n", 401, {"www-authenticate": "Bearer"})

    def _is_ours(self, host: str) -> bool:
        """Whether the Host header is an address or one of our names: another site's name may be made to lead here."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        try:
            ip_address(name.strip("[]"))
        except ValueError:
            return name.lower() in self._names
        return True
