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
_WRONG_TOKEN_S = 0.5
_LONGEST_FORM = 4096


def create_app(service: Service, access: Access | None = None, names: Iterable[str] = ()) -> Starlette:
    """The application; `names` are host names under which it may be reached."""
    access, renderer = access or Access(), Renderer(service)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        service.begin()
        try:
            yield
        finally:
            service.end()

    shown = [Route(page.path, _page(page, renderer)) for page in PAGES]
    live = [Route(f"/live{page.path}", _live(page, renderer, service)) for page in PAGES]
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


def _live(page: Page, renderer: Renderer, service: Service) -> Endpoint:
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
        return EventSourceResponse(events(request), ping=15)

    return endpoint


def _login(access: Access, renderer: Renderer) -> Endpoint:
    one_at_a_time = asyncio.Lock()
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
            async with one_at_a_time:  # guessing takes time, however many guess
                await asyncio.sleep(_WRONG_TOKEN_S)
            return HTMLResponse(renderer.render("login.html.j2", wrong=True), 403, headers=headers)
        answer = RedirectResponse("/", 303, headers=headers)
        secure = request.url.scheme == "https"
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
