"""Rates, and how many are inside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.unit.gateway.in_process import Saying, app_of, client_of, decider_of

from so8t_gateway.access import TokenGate
from so8t_gateway.limits import Inside, bucket_of
from so8t_shared.client_tokens import add_token


def test_a_sixth_of_a_minute_may_come_at_once() -> None:
    """After that, the rate decides."""
    now = [0.0]
    bucket = bucket_of(60, lambda: now[0])
    assert [bucket.take() for _ in range(11)] == [0.0] * 10 + [1.0]


def test_inside() -> None:
    """Full is full, and leaving makes room."""
    inside = Inside(2)
    assert [inside.enter() for _ in range(3)] == [True, True, False]
    inside.leave()
    assert [inside.enter() for _ in range(2)] == [True, False]


class Limited:
    """The application, with a token for a decision per second, of which ten may come at once."""

    def __init__(self, folder: Path, path: str, body: Callable[[int], dict[str, Any]]) -> None:
        self.now = 0.0
        self.engine = Saying("<think>a secret</think><final>ALLOW</final>")
        token = add_token(folder / "tokens.json", "client", requests_per_minute=60, concurrency=4)
        gate = TokenGate(folder / "tokens.json", 10, lambda: self.now)
        self._app = app_of(decider_of(self.engine), access=gate)
        self._headers = {"authorization": f"Bearer {token}"}
        self._path, self._body = path, body

    def ask(self, texts: int) -> httpx.Response:
        """One call with so many texts."""

        async def run() -> httpx.Response:
            async with client_of(self._app) as client:
                return await client.post(self._path, json=self._body(texts), headers=self._headers)

        return asyncio.run(run())


@pytest.fixture(
    params=[
        ("/beta/litellm_basic_guardrail_api", lambda n: {"input_type": "request", "texts": ["x"] * n}),
        ("/beta/litellm_basic_guardrail_api", lambda n: {"input_type": "request", "tool_calls": [{"id": "x"}] * n}),
        ("/v1/moderations", lambda n: {"input": ["x"] * n}),
    ],
    ids=["texts", "tool-calls", "moderations"],
)
def limited(request: pytest.FixtureRequest, tmp_path: Path) -> Limited:
    """For each interface whose calls may hold many texts."""
    return Limited(tmp_path, *request.param)


def test_each_text_of_a_call_is_a_decision(limited: Limited) -> None:
    """A call with many counts as many; one that must wait asks nothing of the model, and passes after Retry-After."""
    assert limited.ask(8).status_code == 200
    refused = limited.ask(5)
    assert (refused.status_code, len(limited.engine.asked)) == (429, 8)
    limited.now += int(refused.headers["retry-after"]) - 1.5
    assert limited.ask(5).status_code == 429
    refused = limited.ask(5)
    limited.now += int(refused.headers["retry-after"])
    assert limited.ask(5).status_code == 200
    assert len(limited.engine.asked) == 13
    assert limited.ask(1).status_code == 429


def test_a_call_beyond_what_may_come_at_once(limited: Limited) -> None:
    """No wait would help it, so it is refused for good, with the number that may come; one of that size passes."""
    refused = limited.ask(11)
    assert refused.status_code == 400
    assert "retry-after" not in refused.headers
    assert "10" in refused.json()["error"]["message"]
    assert limited.engine.asked == []
    limited.now += 1
    assert limited.ask(10).status_code == 200
