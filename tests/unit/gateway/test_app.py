"""The application: admission, audit, limits, errors, and its OpenAPI page."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx
import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.requests import Request
from tests.messages import Said
from tests.unit.gateway.in_process import BODIES, Saying, app_of, client_of, decider_of

from so8t_gateway.apis.table import ROWS
from so8t_gateway.app import create_app
from so8t_gateway.outcome import Outcome
from so8t_gateway.seams import Client, Refused
from so8t_gateway.service import Bounds, Service

ALLOWED = "<think>a secret</think><final>ALLOW</final>"
T = TypeVar("T")


class Recording:
    """An auditor that keeps what it gets, or fails."""

    def __init__(self, *, fails: bool = False) -> None:
        self.lines: list[tuple[Outcome, str]] = []
        self._fails = fails

    def record(self, outcome: Outcome, user_id: str) -> None:
        """Keep it."""
        if self._fails:
            raise OSError("no space left: a secret")
        self.lines.append((outcome, user_id))

    def record_at_once(self, outcome: Outcome, user_id: str) -> bool:
        """Never."""
        return False


class Guest:
    """A client; counts how often it left."""

    name = "guest"

    def __init__(self) -> None:
        self.left = 0

    def spend(self, decisions: int) -> None:
        """It may have any number."""

    def leave(self) -> None:
        """Count."""
        self.left += 1


class Door:
    """Lets in whoever has the token."""

    def __init__(self) -> None:
        self.guest = Guest()

    async def admit(self, request: Request) -> Client:
        """Let in, or refuse for a while."""
        if request.headers.get("authorization") != "Bearer good":
            raise Refused(429, 7.2)
        return self.guest


def call(app: httpx.ASGITransport | object, use: Callable[[httpx.AsyncClient], Awaitable[T]]) -> T:
    """What a client gets."""

    async def run() -> T:
        async with client_of(app) as client:  # type: ignore[arg-type]
            return await use(client)

    return asyncio.run(run())


@pytest.mark.parametrize(("path", "body"), BODIES.items())
def test_every_decision_is_recorded_before_it_leaves(path: str, body: dict[str, object]) -> None:
    """Each interface records what it decided, once."""
    auditor = Recording()
    call(app_of(decider_of(Saying(ALLOWED)), auditor), lambda client: client.post(path, json=body))
    ((outcome, _),) = auditor.lines
    assert (outcome.label, outcome.reason) == ("ALLOW", "")


@pytest.mark.parametrize(("path", "body"), BODIES.items())
def test_without_a_record_no_answer_leaves(path: str, body: dict[str, object]) -> None:
    """An audit log that cannot be written means ESCALATION."""
    app = app_of(decider_of(Saying(ALLOWED)), Recording(fails=True))
    response = call(app, lambda client: client.post(path, json=body))
    assert "ALLOW" not in response.text
    assert "secret" not in response.text
    if path.startswith("/beta"):
        assert (response.status_code, response.json()["action"]) == (200, "BLOCKED")
    else:
        assert (response.status_code, response.headers["retry-after"]) == (503, "2")


def test_refused_without_a_token(said: Said) -> None:
    """Whoever is not let in hears when to come back, before the body is read."""
    door = Door()
    app = app_of(decider_of(Saying(ALLOWED)), access=door)
    refused = call(app, lambda client: client.post("/think", content=b"not even JSON"))
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "8")
    said(refused.json()["error"]["message"])
    headers = {"authorization": "Bearer good"}
    welcome = call(app, lambda client: client.post("/think", json={"query": "x"}, headers=headers))
    assert (welcome.json()["answer"], door.guest.left) == ("ALLOW", 1)


@pytest.mark.parametrize("is_open", [False, True])
def test_counters_without_a_token(is_open: bool) -> None:
    """Who scrapes them needs a token, unless think.open_metrics says otherwise; the page tells which."""
    door = Door()
    service = Service(decider_of(Saying(ALLOWED)), access=door, bounds=Bounds(open_metrics=is_open))
    app, headers = create_app(service), {"authorization": "Bearer good"}
    assert call(app, lambda client: client.get("/metrics")).status_code == (200 if is_open else 429)
    assert call(app, lambda client: client.get("/metrics", headers=headers)).status_code == 200
    assert door.guest.left == (0 if is_open else 1)
    paths = call(app, lambda client: client.get("/openapi.json", headers=headers)).json()["paths"]
    assert ("security" in paths["/metrics"]["get"]) != is_open
    assert "security" not in paths["/ready"]["get"]


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"query": 1}', "application/json", 400),
        (b'{"query": ""}', "application/json", 400),
        (b'{"query": "x", "top_p": 0}', "application/json", 400),
        (b'{"query": "x", "temperature": 2.5}', "application/json", 400),
        (b'{"query": "x", "temperature": NaN}', "application/json", 400),
        (b'{"query": "half a \\ud800 character"}', "application/json", 400),
        (b'{"query": "x"}', "text/plain", 415),
        (b'{"query": "' + b"x" * 1001 + b'"}', "application/json", 413),
        (b" " * 100_000, "application/json", 413),
    ],
)
def test_bad_bodies(content: bytes, kind: str, status: int) -> None:
    """What is not of the form, or too long, is refused without asking the model."""
    engine = Saying(ALLOWED)
    response = call(
        app_of(decider_of(engine)),
        lambda client: client.post("/think", content=content, headers={"content-type": kind}),
    )
    assert response.status_code == status
    assert response.json()["error"]["message"]
    assert not engine.asked


def test_a_fault_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected error is a 500 without its text."""

    class Broken(Recording):
        async def decide(self, *_: object) -> Outcome:
            raise RuntimeError("a secret")

    decider = decider_of(Saying(ALLOWED))
    decider.decide = Broken().decide  # type: ignore[method-assign, assignment]
    response = call(app_of(decider), lambda client: client.post("/think", json={"query": "x"}))
    assert response.status_code == 500
    assert "secret" not in response.text + caplog.text


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/think", 405)])
def test_other_routes(path: str, status: int) -> None:
    """An unknown route or method is said to be one, in the same form."""
    response = call(app_of(decider_of(Saying(ALLOWED))), lambda client: client.get(path))
    assert (response.status_code, response.json()["error"]["type"]) == (status, "invalid_request_error")


def test_the_page_lists_every_route() -> None:
    """OpenAPI has each row of the table, and its schemas are valid."""
    page = call(app_of(decider_of(Saying(ALLOWED))), lambda client: client.get("/openapi.json")).json()
    assert set(page["paths"]) == {row.path for row in ROWS}
    for schema in page["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", app_of(decider_of(Saying(ALLOWED))))
_REJECTED = SCHEMA.config.checks.negative_data_rejection
_REJECTED.expected_statuses = [*_REJECTED.expected_statuses, "413"]  # a thousand messages may be too long to be read


@SCHEMA.parametrize()
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
def test_answers_keep_to_the_page(case: schemathesis.Case) -> None:
    """Requests that the page allows, and others, are answered as it says."""
    whose_turn = [positive_data_acceptance] if case.operation.path == "/v1/chat/completions" else []
    case.call_and_validate(excluded_checks=whose_turn)  # no schema says that the last message must be the user's
