"""The web application: one service behind the routes of every interface."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from so8t_gateway.apis.api import Api, endpoint, error
from so8t_gateway.apis.table import ROWS
from so8t_gateway.hardening import Hardened
from so8t_gateway.openapi import openapi
from so8t_gateway.service import Service

log = logging.getLogger("so8t.think")


def create_app(service: Service) -> Starlette:
    """Return the application."""
    page = openapi(ROWS, lambda api: api.is_open(service))

    async def describe(service: Service, body: Any, request: Request) -> Response:  # noqa: ARG001 - one form for all
        return JSONResponse(page)

    apis = (*ROWS, Api("/openapi.json", "This page.", describe))
    routes = [Route(api.path, _served(api, service), methods=[api.method]) for api in apis]
    handlers = {HTTPException: _no_such_route, Exception: _fault}
    return Starlette(routes=routes, exception_handlers=handlers, middleware=[Middleware(Hardened)])


def _served(api: Api, service: Service) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        try:
            return await endpoint(api, service, request)
        except Exception as fault:  # noqa: BLE001 - its text and its frames may hold the model's words
            return await _fault(request, fault)

    return serve


async def _fault(request: Request, fault: Exception) -> Response:
    log.error("a request failed", extra={"route": request.scope["path"], "error": type(fault).__name__})
    return error(500, "ESCALATION: an unexpected error.", code="fault")


async def _no_such_route(request: Request, fault: Exception) -> Response:  # noqa: ARG001 - Starlette's form
    status = fault.status_code if isinstance(fault, HTTPException) else 500
    response = error(status, "There is no such route, or it takes another method.")
    response.headers.update((fault.headers or {}) if isinstance(fault, HTTPException) else {})
    return response
