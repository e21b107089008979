"""Tokens and limits of a running service."""

from __future__ import annotations

import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from tests.unit.gateway.service_process import EMBEDDED, Think, running
from tests.unit.gateway.session import Prepared, hand_over
from tests.unit.shared.processes import until

from so8t_shared.client_tokens import add_token, remove_token

QUERY = "open the door"
MANY = {"requests_per_minute": 100_000, "concurrency": 50}


class Guarded:
    """A service that demands tokens, and its file of tokens."""

    def __init__(self, service: Think, path: Path, token: str) -> None:
        self.service, self.path, self.token = service, path, token

    def ask(self, *headers: tuple[str, str], query: str = QUERY) -> httpx.Response:
        """Ask at /think with these headers."""
        return httpx.post(f"{self.service.address}/think", json={"query": query}, headers=list(headers), timeout=60)

    def with_token(self, token: str) -> httpx.Response:
        """Ask with a bearer token."""
        return self.ask(("Authorization", f"Bearer {token}"))

    def looked(self) -> None:
        """Have the service look at its file."""
        time.sleep(0.6)
        self.with_token(self.token)


@pytest.fixture(scope="module")
def guarded(guard: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """The service, and a token that may do much."""
    tested = Prepared(tmp_path_factory.mktemp("guarded"), EMBEDDED)
    hand_over(tested, guard)
    path = tested.root / "tokens.json"
    token = add_token(path, "first", **MANY)
    with running(tested, tokens_file=str(path), host="0.0.0.0", concurrency=2, queue=4) as service:
        service.address = service.address.replace("0.0.0.0", "127.0.0.1")
        yield Guarded(service, path, token)


def _added(guarded: Guarded, name: str, per_minute: int = 100_000, concurrency: int = 50) -> str:
    token = add_token(guarded.path, name, requests_per_minute=per_minute, concurrency=concurrency)
    guarded.looked()
    return token


def test_a_token_is_demanded(guarded: Guarded) -> None:
    """401 for none, a wrong one, another scheme, or two; the token in its two forms lets in."""
    token = guarded.token
    for headers in (
        [],
        [("Authorization", "Bearer")],
        [("Authorization", f"Bearer {token}x")],
        [("Authorization", f"Bearer {token[:-1]}")],
        [("Authorization", f"Basic {token}")],
        [("Authorization", token)],
        [("x-api-key", token.swapcase())],
        [("Authorization", f"Bearer {token}"), ("Authorization", "Bearer other")],
        [("Authorization", f"Bearer {token}"), ("x-api-key", token)],
    ):
        response = guarded.ask(*headers)
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer"), headers
        assert token not in response.text
    assert guarded.with_token(token).status_code == 200
    assert guarded.ask(("authorization", f"bearer {token}")).status_code == 200
    assert guarded.ask(("x-api-key", token)).status_code == 200


def test_only_whether_it_works_is_open(guarded: Guarded) -> None:
    """Health and readiness need no token; the model's name, the counters and the page do."""
    statuses = {"health": 200, "ready": 200, "metrics": 401, "v1/models": 401, "openapi.json": 401}
    for path, status in statuses.items():
        assert httpx.get(f"{guarded.service.address}/{path}").status_code == status, path
        headers = {"authorization": f"Bearer {guarded.token}"}
        assert httpx.get(f"{guarded.service.address}/{path}", headers=headers).status_code == 200, path


def test_tokens_come_and_go_without_a_restart(guarded: Guarded) -> None:
    """A new one works, a removed one does not; neither is written anywhere."""
    token = _added(guarded, "guest")
    assert guarded.with_token(token).status_code == 200
    remove_token(guarded.path, "guest")
    guarded.looked()
    assert guarded.with_token(token).status_code == 401
    assert guarded.with_token(guarded.token).status_code == 200
    written = guarded.service.everything() + guarded.path.read_text()
    assert token not in written
    assert guarded.token not in written


def test_a_file_that_cannot_be_read_lets_nobody_in(guarded: Guarded) -> None:
    """503 while it is broken, 401 while it is gone, for every token; once it is back, so are they."""
    good = guarded.path.read_bytes()
    for change, status in ((lambda: guarded.path.write_bytes(good[:50]), 503), (guarded.path.unlink, 401)):
        change()
        guarded.looked()
        assert guarded.with_token(guarded.token).status_code == status
    guarded.path.write_bytes(good)
    guarded.looked()
    assert guarded.with_token(guarded.token).status_code == 200


def test_the_rate_of_a_token(guarded: Guarded) -> None:
    """Beyond its rate 429 and when to come back; other tokens do not feel it."""
    token = _added(guarded, "slow", per_minute=30)
    statuses = [guarded.with_token(token).status_code for _ in range(7)]
    assert statuses[:5] == [200] * 5
    assert statuses[-1] == 429
    response = guarded.with_token(token)
    assert response.status_code == 429
    assert 1 <= int(response.headers["retry-after"]) <= 2
    assert guarded.with_token(guarded.token).status_code == 200
    time.sleep(2.1)
    assert guarded.with_token(token).status_code == 200


def test_requests_of_a_token_at_the_same_time(guarded: Guarded) -> None:
    """More than its share get 429; it is free again afterwards."""
    token = _added(guarded, "narrow", concurrency=1)
    with ThreadPoolExecutor(8) as pool:
        statuses = Counter(
            response.status_code for response in pool.map(lambda _: guarded.with_token(token), range(24))
        )
    assert set(statuses) == {200, 429}
    assert statuses[200] >= 1
    assert guarded.with_token(token).status_code == 200


def test_more_than_may_wait(guarded: Guarded) -> None:
    """Of forty at once, those beyond the queue hear 503 and when to come back; none waits for good."""
    with ThreadPoolExecutor(40) as pool:
        responses = list(pool.map(lambda _: guarded.with_token(guarded.token), range(40)))
    statuses = Counter(response.status_code for response in responses)
    assert set(statuses) == {200, 503}
    assert statuses[200] >= 6
    assert all(int(each.headers["retry-after"]) >= 1 for each in responses if each.status_code == 503)
    assert guarded.with_token(guarded.token).status_code == 200


def test_a_client_that_gives_up_leaves_its_place(guarded: Guarded) -> None:
    """Requests that are broken off count no longer."""
    token = _added(guarded, "hasty", concurrency=2)
    for _ in range(6):
        with suppress(httpx.TimeoutException):
            httpx.post(
                f"{guarded.service.address}/think",
                json={"query": QUERY},
                headers={"Authorization": f"Bearer {token}"},
                timeout=0.002,
            )
    until(lambda: guarded.with_token(token).status_code == 200, "a free place")


_LORISES, _IDLE = 20, 500


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="CANNOT BE TESTED HERE: sets another's limit")
def test_idle_connections_shut_nobody_out(guarded: Guarded) -> None:
    """With more of them open than the service may have files, and slow ones, a client with a token is served."""
    service = psutil.Process(guarded.service.process.pid)
    allowed, address = service.rlimit(psutil.RLIMIT_NOFILE), urlsplit(guarded.service.address)
    service.rlimit(psutil.RLIMIT_NOFILE, (400, allowed[1]))
    try:
        with ExitStack() as stack, httpx.Client(base_url=guarded.service.address, timeout=20) as kept:
            headers = {"Authorization": f"Bearer {guarded.token}"}
            assert kept.get("/v1/models", headers=headers).status_code == 200
            sockets = [
                stack.enter_context(socket.create_connection((address.hostname or "", address.port or 0), timeout=20))
                for _ in range(_LORISES + _IDLE)
            ]
            opened = time.monotonic()
            for _ in range(5):
                for slow in sockets[-_LORISES:]:
                    with suppress(OSError):
                        slow.sendall(b"P")
                assert guarded.with_token(guarded.token).status_code == 200
                assert kept.post("/think", json={"query": QUERY}, headers=headers).status_code == 200
            assert time.monotonic() - opened < 10, "served once the idle ones had had think.receive_s"
            assert service.num_fds() < 400
    finally:
        service.rlimit(psutil.RLIMIT_NOFILE, allowed)
