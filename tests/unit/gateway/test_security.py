"""The running service against requests that no honest client sends, byte by byte."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import yaml
from tests.unit.gateway.service_process import Think

from so8t_gateway.audit.erasure import lines_of
from so8t_gateway.audit.keys import AuditKeys
from so8t_gateway.audit.verify import verify

BODY = b'{"query":"open the door"}'
LENGTH = b"Content-Length: %d" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked"
AS_CHUNK = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
HEALTH = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def _request(
    *headers: bytes, body: bytes = BODY, line: bytes = b"POST /think HTTP/1.1", host: bytes = b"localhost"
) -> bytes:
    lines = [line, b"Host: " + host, b"Content-Type: application/json", *headers]
    return b"".join(each + b"\r\n" for each in lines) + b"\r\n" + body


def _exchange(think: Think, data: bytes) -> tuple[list[int], bool]:
    """Send bytes as they are; the statuses of the responses, and whether the service hung up behind the first."""
    address = urlsplit(think.address)
    with closing(socket.create_connection((address.hostname or "", address.port or 0))) as client:
        client.settimeout(30)
        client.sendall(data)
        received = b""
        while b"\r\n\r\n" not in received.removeprefix(b"HTTP/1.1 100 \r\n\r\n"):
            received += (piece := client.recv(65536))
            if not piece:
                break
        client.settimeout(0.3)
        ended = False
        try:
            while piece := client.recv(65536):
                received += piece
            ended = True
        except TimeoutError:
            pass
        except ConnectionError:
            ended = True
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]], ended


@pytest.mark.parametrize(
    "data",
    [
        _request(LENGTH, CHUNKED, body=AS_CHUNK),
        _request(b"Content-Length: 5", CHUNKED, body=b"0\r\n\r\n" + HEALTH),
        _request(LENGTH, b"Content-Length: 3", body=BODY + HEALTH),
        _request(b"Transfer-Encoding: xchunked", body=AS_CHUNK),
        _request(b"Transfer-Encoding: chunked, identity", body=AS_CHUNK),
        _request(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=AS_CHUNK),
        _request(b"Content-Length: +25"),
        _request(b"Content-Length: 0x19"),
        _request(b"Content-Length: -1"),
        _request(b"Content-Length : 25"),
        _request(LENGTH, b"X-A: b\rContent-Length: 3"),
        _request(LENGTH, b"X-A: b\0c"),
        _request(LENGTH, b"Host: evil"),
        _request(CHUNKED, body=b"19\r\n%sXX0\r\n\r\n" % BODY + HEALTH),
        _request(CHUNKED, body=b"-1\r\n%s\r\n0\r\n\r\n" % BODY + HEALTH),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n" + HEALTH,
        b"POST /think HTTP/1.1\r\n\r\n",
    ],
)
def test_no_second_request_is_smuggled_in(think: Think, data: bytes) -> None:
    """Where two programs could see different ends of a request: 400, and the connection is closed behind it."""
    assert _exchange(think, data) == ([400], True)


def test_honest_requests_share_a_connection(think: Think) -> None:
    """Two at once, in chunks, or after a `100 Continue`: each is answered, and the connection stays."""
    assert _exchange(think, _request(LENGTH) + _request(CHUNKED, body=AS_CHUNK))[0][0] == 200
    assert _exchange(think, _request(LENGTH, b"Expect: 100-continue"))[0] == [100, 200]
    assert _exchange(think, HEALTH) == ([200], False)


@pytest.mark.parametrize(
    "host", [b"evil.example", b"evil.example:8350", b"127.0.0.1.evil.example", b"10.0.0.1", b"[::"]
)
def test_another_name_for_this_host_is_refused(think: Think, host: bytes) -> None:
    """A web page whose name points here cannot ask: 403."""
    assert _exchange(think, _request(LENGTH, host=host))[0] == [403]


@pytest.mark.parametrize("host", [b"localhost:8350", b"127.0.0.1", b"[::1]:9", b"LOCALHOST"])
def test_the_names_of_this_host(think: Think, host: bytes) -> None:
    """They are served."""
    assert _exchange(think, _request(LENGTH, host=host))[0] == [200]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /../../etc/passwd HTTP/1.1", 404),
        (b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1", 404),
        (b"GET /think/..%2fmetrics HTTP/1.1", 404),
        (b"GET //health HTTP/1.1", 404),
        (b"POST http://evil/think HTTP/1.1", 404),
        (b"OPTIONS /think HTTP/1.1", 405),
        (b"TRACE /health HTTP/1.1", 405),
        (b"PUT /think HTTP/1.1", 405),
    ],
)
def test_no_other_routes(think: Think, line: bytes, status: int) -> None:
    """Paths that climb, other methods and other hosts lead nowhere."""
    assert _exchange(think, _request(b"Content-Length: 0", line=line, body=b""))[0] == [status]


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"query":' + b"[" * 60_000 + b"]" * 60_000 + b"}",
        b'{"query":"a","extra":' + b'{"a":' * 20_000 + b"1" + b"}" * 20_000 + b"}",
        b'{"query":"a","max_new_tokens":' + b"9" * 5_000 + b"}",
        b'{"query":"a","temperature":NaN}',
        b'{"query":"a","temperature":1e999}',
        b'{"query":"a","top_p":"1"}',
        b'{"query":"\xff\xfe"}',
        b'{"query":"a","user_id":"\\ud800"}',
        b'{"query":"a","user_id":"' + b"a" * 1_001 + b'"}',
        b'{"query":"a","user_id":7}',
        b'"' + b"a" * 100_000,
        b"",
        b"null",
    ],
    ids=lambda body: body[:30].decode("latin-1"),
)
def test_hostile_bodies(think: Think, body: bytes) -> None:
    """Deep, huge or broken JSON is told so at once, with nothing of it in the answer or in the log."""
    response = httpx.post(f"{think.address}/think", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert response.elapsed.total_seconds() < 10
    assert len(response.text) < 400
    assert "aaaa" not in response.text
    assert "[[[[" not in response.text + think.log


def test_too_large_bodies_are_not_read(think: Think) -> None:
    """413 after the first piece too much, whether the length is told or not; so it is for too long a request."""

    def endless() -> object:
        while True:
            yield b'{"query":"' + b"a" * 65_536

    headers = {"content-type": "application/json"}
    for content in (endless(), b'{"query":"' + b"a" * 1_000_000 + b'"}', b'{"query":"' + b"a" * 20_001 + b'"}'):
        try:
            response = httpx.post(f"{think.address}/think", content=content, headers=headers, timeout=30)  # type: ignore[arg-type]
        except httpx.WriteError:
            continue  # hung up on while it was still sending
        assert response.status_code == 413
        assert "aaaa" not in response.text


def test_headers(think: Think) -> None:
    """No name of the server and no version; nothing may be cached or guessed; no other site may read it."""
    responses = [
        think.ask("open the door"),
        httpx.get(f"{think.address}/health"),
        httpx.get(f"{think.address}/nothing"),
        httpx.post(f"{think.address}/think", headers={"origin": "https://evil.example"}, content=b""),
        httpx.options(f"{think.address}/think", headers={"origin": "https://evil.example"}),
    ]
    for response in responses:
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert not {"server", "date", "x-powered-by", "access-control-allow-origin", "set-cookie"} & set(
            response.headers
        )


def test_a_form_of_another_site_is_refused(think: Think) -> None:
    """A browser sends these without asking first: 415."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        response = httpx.post(f"{think.address}/think", content=BODY, headers={"content-type": kind} if kind else {})
        assert response.status_code == 415


USERS = ["Zoë", "Zoe\u0308", "用户\u200b", "a" * 1_000, "\u202eevil", "a\nb", "a\0b", '"}{', "", "👩‍👩‍👧"]


def test_audit_of_a_running_service(think: Think) -> None:
    """Each answer has its line, found by exactly its user, without any content; the chain is whole while it grows."""
    audit = yaml.safe_load(think.config_file.read_text())["think"]["audit"]
    folder, keys = Path(audit["folder"]), AuditKeys.read(audit["key_file"])
    for user in USERS:
        before = len(lines_of(folder, keys.users(user)))
        answer = think.ask("open the door", user_id=user).json()
        lines = [line for _, line in lines_of(folder, keys.users(user))]
        assert len(lines) == before + 1, user
        facts, person = lines[-1].facts, lines[-1].person
        assert facts["class"] == answer["safety_label"]
        assert len(facts["model"]) == 64
        assert person is not None
        assert (person["request"], person["thinking"]) == (answer["request_id"], answer["internal_reasoning_hash"])
    proof = verify(folder, None)
    assert proof.faults == []
    text = "".join(path.read_text() for path in folder.glob("*.jsonl"))
    for content in ("open the door", "Zo", "用户", "evil", json.dumps("👩")[1:5]):
        assert content not in text
    written = think.everything() + httpx.get(f"{think.address}/metrics").text
    for user in USERS[:3]:
        assert user not in written
    assert not any(keys.current.user(user) in written for user in USERS)
