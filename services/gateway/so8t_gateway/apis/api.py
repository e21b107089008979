"""One route of the service, and what all routes have in common: admission, bodies, errors."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from so8t_gateway.outcome import Outcome
from so8t_gateway.prompts import Query
from so8t_gateway.reasons import BY_NAME, status_of
from so8t_gateway.seams import AskOptions, Client, Refused, TooMany
from so8t_gateway.service import Service

RETRY_AFTER_S = 2

_REFUSALS = {
    401: "Send one valid token: 'Authorization: Bearer TOKEN'.",
    403: "Use one of this host's own names, such as 127.0.0.1 or localhost; any other name needs a token.",
    429: "This token's limit is reached.",
    503: "The service cannot take the request now.",
}

B = TypeVar("B", bound=BaseModel)


def _integral(value: Any) -> Any:
    """1.0 as 1: JSON knows one kind of numbers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Tokens = Annotated[int, Field(ge=1, le=1_000_000), BeforeValidator(_integral)]
"""How many tokens an answer may have."""


class Body(BaseModel):
    """A JSON body; unknown keys are ignored, for clients send many."""

    model_config = ConfigDict(extra="ignore", strict=True, protected_namespaces=(), frozen=True)

    @property
    def decisions(self) -> int:
        """How many decisions a request asks for; they count in its token's rate."""
        return 1


class ErrorDetail(Body):
    """What is wrong, in OpenAI's form."""

    message: str
    type: str = Field(description="invalid_request_error, or server_error where the same request may succeed later.")
    param: str | None = None
    code: str | None = Field(None, description="A reason of the service.")


class ErrorBody(Body):
    """The body of every answer that is no decision."""

    error: ErrorDetail


class BadRequest(Exception):
    """A request that no client should send again; it is told what is wrong."""

    def __init__(self, message: str, *, param: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.status = status


Handler = Callable[[Service, Any, Request], Awaitable[Response]]


@dataclass(frozen=True)
class Api:
    """One route; the table of them makes the application and its OpenAPI page."""

    path: str
    summary: str
    handle: Handler
    """Takes the service, the parsed body (None without one) and the request."""
    body: type[Body] | None = None
    """A route with a body is POST and asks the model; any other is GET."""
    answer: type[BaseModel] | None = None
    media_types: tuple[str, ...] = ("application/json",)
    statuses: tuple[int, ...] = (200,)
    is_open: Callable[[Service], bool] = lambda service: False
    """Whether it answers everyone; any other route admits clients first."""
    unavailable: Callable[[], Response] | None = None
    """What a client gets instead of a 503, if that could mean to it that it may go on."""

    @property
    def method(self) -> str:
        """The HTTP method."""
        return "POST" if self.body else "GET"


async def endpoint(api: Api, service: Service, request: Request) -> Response:
    """Serve one request of a route; every fault becomes an answer that holds nothing of the model's."""
    client = None
    try:
        if service.access and not api.is_open(service):
            client = await service.access.admit(request)
        if api.body is None:
            return await api.handle(service, None, request)
        body = parsed(api.body, await _read(request, service.bounds.body_bytes))
        if client:
            _spend(client, body)
        with _counted(service):
            return await api.handle(service, body, request)
    except Refused as refused:
        service.metrics.refused(refused.status)
        if refused.status == 503 and api.unavailable:
            return api.unavailable()
        return error(refused.status, _REFUSALS[refused.status], retry_after_s=refused.retry_after_s)
    except BadRequest as bad:
        service.metrics.refused(bad.status)
        return error(bad.status, bad.message, param=bad.param)
    finally:
        if client:
            client.leave()


def _spend(client: Client, body: Body) -> None:
    try:
        client.spend(body.decisions)
    except TooMany as many:
        raise BadRequest(
            f"This call asks for {body.decisions:,} decisions; the token's rate allows {many.most:,} at once."
            " Send fewer, or use a token with a higher rate."
        ) from None


@contextmanager
def _counted(service: Service) -> Iterator[None]:
    service.metrics.inside(+1)
    try:
        yield
    finally:
        service.metrics.inside(-1)


async def _read(request: Request, most: int) -> bytes:
    """Read a body, but no more of it than is allowed."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise BadRequest("Send JSON: content-type application/json.", status=415)
    read = bytearray()
    async for piece in request.stream():
        read += piece
        if len(read) > most:
            raise BadRequest(f"The body has more than {most:,} bytes.", status=413)
    return bytes(read)


def parsed(kind: type[B], data: bytes) -> B:
    """Parse a body.

    Raises:
        BadRequest: it is not of this form.
    """
    try:
        return kind.model_validate_json(data)
    except ValidationError as fault:
        first = fault.errors(include_input=False, include_url=False, include_context=False)[0]
        param = ".".join(map(str, first["loc"]))
        raise BadRequest(f"{param or 'body'}: {first['msg']}", param=param or None) from None


def query_of(service: Service, text: str, turns: list[tuple[str, str]] | None = None) -> Query:
    """Return what is to be decided.

    Raises:
        BadRequest: it is too long.
    """
    query = Query(text, turns or ())
    if query.length > service.bounds.max_query_chars:
        most = service.bounds.max_query_chars
        raise BadRequest(f"The request has {query.length:,} characters; {most:,} are allowed.", status=413)
    return query


def options_of(
    service: Service, max_new_tokens: int | None, temperature: float | None, top_p: float | None
) -> AskOptions:
    """Return a client's wishes, as far as they are within the limits."""
    warm = None if temperature is None else min(temperature, service.bounds.max_temperature)
    return AskOptions(max_new_tokens, warm, top_p)


def failure(outcome: Outcome) -> Response | None:
    """Return the error for an outcome that says nothing about the request itself; None for a decision."""
    status = status_of(outcome.reason)
    if status == 200:
        return None
    row = BY_NAME[outcome.reason]
    return error(status, f"ESCALATION: {row.meaning}.", code=row.name, retry_after_s=RETRY_AFTER_S)


def error(
    status: int,
    message: str,
    *,
    param: str | None = None,
    code: str | None = None,
    retry_after_s: float | None = None,
) -> Response:
    """Return an error in OpenAI's form."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    body = ErrorBody(error=ErrorDetail(message=message, type=kind, param=param, code=code))
    headers = {} if retry_after_s is None else {"retry-after": str(max(1, math.ceil(retry_after_s)))}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if status == 413:
        headers["connection"] = "close"  # else the rest of the body would keep it until think.receive_s
    return JSONResponse(body.model_dump(), status, headers)


def reply(answer: BaseModel, outcome: Outcome | None = None, status: int = 200) -> Response:
    """Return an answer, with the request's id in a header."""
    headers = {"x-request-id": outcome.request_id} if outcome else None
    return Response(answer.model_dump_json(), status, headers, "application/json")
