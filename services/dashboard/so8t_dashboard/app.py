"""The web application: pages, their live parts, files, the report, and the login."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from sse_starlette.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from so8t_dashboard.downloads import file_response, report_response
from so8t_dashboard.guarding import COOKIE, LOGIN_POLICY, Access, Guard
from so8t_dashboard.pages import PAGES, Page
from so8t_dashboard.rendering import Renderer
from so8t_dashboard.service import Service
from so8t_shared.palette import palette

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]

_STATIC = Path(__file__).parent / "static"
_LOOK_S = 5.0
"""A live page is rendered again at least that often."""
_SENT_S = 30.0
"""A live page whose browser takes nothing for so long is given up."""
_FOLLOWING = 256
"""Live pages at the same time; a further one shows what it was loaded with."""
_WRONG_TOKEN_S = 0.5
_GUESSING = 16
"""Wrong tokens that may wait for their answer; more are turned away at once, so that they hold no connections."""
_LONGEST_FORM = 4096


def create_app(
    service: Service, access: Access | None = None, names: Iterable[str] = (), following: int = _FOLLOWING
) -> Starlette:
    """The application; `names` are host names under which it may be reached, `following` bounds the live pages."""
    access, renderer, room = access or Access(), Renderer(service), _Room(following)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        service.begin()
        try:
            yield
        finally:
            service.end()

    shown = [Route(page.path, _page(page, renderer)) for page in PAGES]
    live = [Route(f"/live{page.path}", _live(page, renderer, service, room)) for page in PAGES]
    login = _login(access, renderer)
    return Starlette(
        routes=[
            *shown,
            *live,
            Route("/sessions/{session_id}/report/{path}", report_response(service)),
            Route("/sessions/{session_id}/files/{stage}/{path:path}", file_response(service)),
            Route("/login", login, methods=["GET", "POST"]),
            Route("/health", _health),
            Route("/static/palette.css", _palette),
            Mount("/static", StaticFiles(directory=_STATIC)),
        ],
        middleware=[Middleware(Guard, access=access, names=names)],
        lifespan=lifespan,
        exception_handlers={404: _missing(renderer)},
    )


def _page(page: Page, renderer: Renderer) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        html = await run_in_threadpool(renderer.page, page, request)
        return _no_page(renderer) if html is None else HTMLResponse(html)

    return endpoint


class _Room:
    """Room for live pages."""

    def __init__(self, most: int) -> None:
        self.left = most


class _Stream(EventSourceResponse):
    """Server-sent events that take up room until they end, however they end."""

    def __init__(self, events: AsyncIterator[dict[str, str]], room: _Room) -> None:
        super().__init__(events, ping=15, send_timeout=_SENT_S)
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._room.left -= 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._room.left += 1


def _live(page: Page, renderer: Renderer, service: Service, room: _Room) -> Endpoint:
    """Server-sent events: those live parts of a page that have changed, as JSON by name."""

    async def events(request: Request) -> AsyncIterator[dict[str, str]]:
        sent: dict[str, str] = {}
        while True:
            seen = service.changes
            parts = await run_in_threadpool(renderer.parts, page, request)
            changed = {name: html for name, html in (parts or {}).items() if sent.get(name) != html}
            if changed:
                sent |= changed
                yield {"event": "parts", "data": json.dumps(changed)}
            await service.wait(seen, _LOOK_S)

    async def endpoint(request: Request) -> Response:
        # the page's own address is what its links are relative to
        request.scope["path"] = request.scope["path"].removeprefix("/live") or "/"
        if await run_in_threadpool(renderer.parts, page, request) is None:
            return _no_page(renderer)
        if room.left <= 0:
            return PlainTextResponse("Too many live pages are open.\n", 503, {"retry-after": "60"})
        return _Stream(events(request), room)

    return endpoint


class _Guesses:
    """Wrong tokens, whose answers come one after the other: guessing takes time, however many guess."""

    def __init__(self) -> None:
        self._one_at_a_time = asyncio.Lock()
        self._waiting = 0

    async def delayed(self) -> bool:
        """Return when this one may be answered; False at once if too many wait."""
        if self._waiting >= _GUESSING:
            return False
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                await asyncio.sleep(_WRONG_TOKEN_S)
        finally:
            self._waiting -= 1
        return True


def _login(access: Access, renderer: Renderer) -> Endpoint:
    guesses = _Guesses()
    headers = {"content-security-policy": LOGIN_POLICY}

    async def endpoint(request: Request) -> Response:
        if not access.needed:
            return RedirectResponse("/", 303)
        if request.method == "GET":
            return HTMLResponse(renderer.render("login.html.j2", wrong=False), headers=headers)
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _LONGEST_FORM:
                return PlainTextResponse("Too long.\n", 413)
        given = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0]
        if not access.is_token(given.strip()):
            if not await guesses.delayed():
                return PlainTextResponse("Too many wrong tokens; try again in a minute.\n", 429, {"retry-after": "60"})
            return HTMLResponse(renderer.render("login.html.j2", wrong=True), 403, headers=headers)
        answer = RedirectResponse("/", 303, headers=headers)
        # a proxy that ends TLS says so; a client that lies about it hides the cookie from itself alone
        secure = "https" in {request.url.scheme, request.headers.get("x-forwarded-proto", "").lower()}
        answer.set_cookie(COOKIE, access.cookie, httponly=True, samesite="strict", secure=secure)
        return answer

    return endpoint


async def _palette(_: Request) -> Response:
    return Response(palette(), media_type="text/css")


async def _health(_: Request) -> Response:
    return PlainTextResponse("ok\n")


def _missing(renderer: Renderer) -> Callable[[Request, Exception], Response]:
    return lambda request, error: _no_page(renderer)


def _no_page(renderer: Renderer) -> Response:
    return HTMLResponse(renderer.render("missing.html.j2"), 404)
