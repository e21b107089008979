"""Who may look at the dashboard."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from tests.messages import Said
from tests.unit.dashboard.material import Served, serving
from tests.unit.shared.material import make_config
from tests.unit.shared.processes import until

from so8t_dashboard.guarding import COOKIE
from so8t_dashboard.serving import Place, access_of
from so8t_shared.errors import ConfigError
from so8t_shared.store.local import LocalStore

TOKEN = "correct horse battery staple"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A dashboard of an empty store that needs a token."""
    root = tmp_path_factory.mktemp("guarded")
    with serving(LocalStore(root / "store"), make_config(root), token=TOKEN, names=["lab.example"]) as dashboard:
        yield dashboard


@pytest.mark.parametrize("host", ["localhost:8351", "127.0.0.1:1", "[::1]:8351", "10.1.2.3", "LAB.example:443"])
def test_our_own_names(guarded: Served, host: str) -> None:
    """Addresses, localhost and the given names are the dashboard's."""
    assert guarded.get("/", host=host, authorization=f"Bearer {TOKEN}").status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example:8351", "127.0.0.1.evil.example", "x@localhost", ""]
)
def test_another_sites_name(guarded: Served, host: str) -> None:
    """A name that another site made lead here gets nothing, whatever it carries."""
    answer = guarded.get("/", host=host, authorization=f"Bearer {TOKEN}")
    assert answer.status_code in {400, 421}
    assert "SO8T" not in answer.text


@pytest.mark.parametrize("path", ["/", "/compare", "/live/", "/sessions/x", "/sessions/x/files/train/y", "/static/../"])
@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}, {"cookie": f"{COOKIE}={TOKEN}"}]
)
def test_without_the_token(guarded: Served, path: str, headers: dict[str, str]) -> None:
    """Nothing but the login and the style is there without the token."""
    if path != "/static/../":
        assert guarded.get(path, **headers).status_code == 401
    answer = guarded.get(path, accept="text/html", **headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert guarded.get("/static/ui.css").status_code == 200


def test_login(guarded: Served) -> None:
    """The form gives a cookie that scripts and other sites cannot use, and that is not the token."""
    with httpx.Client(base_url=guarded.url) as client:
        form = client.get("/login")
        assert "form-action 'self'" in form.headers["content-security-policy"]
        wrong = client.post("/login", data={"token": "guess"})
        assert (wrong.status_code, "set-cookie" in wrong.headers) == (403, False)
        right = client.post("/login", data={"token": TOKEN})
        cookie = right.headers["set-cookie"]
        assert right.status_code == 303
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert TOKEN not in cookie
        assert client.get("/").status_code == 200


@pytest.mark.parametrize(("forwarded", "secure"), [({}, False), ({"x-forwarded-proto": "https"}, True)])
def test_the_cookie_behind_tls(guarded: Served, forwarded: dict[str, str], secure: bool) -> None:
    """Where a proxy ends TLS, the browser never sends the cookie over plain HTTP."""
    answer = httpx.post(f"{guarded.url}/login", data={"token": TOKEN}, headers=forwarded)
    assert ("Secure" in answer.headers["set-cookie"]) == secure


def test_many_guesses(guarded: Served) -> None:
    """Wrong tokens beyond a few hold no connection, and the right one is let in meanwhile."""
    with ThreadPoolExecutor(24) as pool:
        guesses = [pool.submit(httpx.post, f"{guarded.url}/login", data={"token": "x"}, timeout=30) for _ in range(24)]
        until(lambda: sum(guess.done() for guess in guesses) >= 8, "those turned away")
        started = time.monotonic()
        assert httpx.post(f"{guarded.url}/login", data={"token": TOKEN}).status_code == 303
        assert time.monotonic() - started < 3
    codes = Counter(guess.result().status_code for guess in guesses)
    assert codes.keys() == {403, 429}
    assert codes[403] >= 16


def test_slow_visitors_are_hung_up_on(tmp_path: Path) -> None:
    """Whoever sends no whole request in time, without any token, keeps no connection."""
    with serving(LocalStore(tmp_path / "store"), make_config(tmp_path), token=TOKEN, receive_s=0.3) as dashboard:
        for piece in (b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"POST /login HTTP/1.1\r\nHost: localhost\r\n"):
            with closing(socket.create_connection(("127.0.0.1", httpx.URL(dashboard.url).port or 0))) as visitor:
                visitor.settimeout(10)
                visitor.sendall(piece)
                assert visitor.recv(1000) == b""


def test_long_forms(guarded: Served) -> None:
    """A form that is too long is not read to its end."""
    assert httpx.post(f"{guarded.url}/login", content=b"token=" + b"x" * 100_000).status_code == 413


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.9.1"])
def test_this_host_alone(host: str) -> None:
    """No token is needed where only this host can connect."""
    assert not access_of(Place(host, 0)).needed


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "workstation"])
def test_other_hosts_need_a_token(host: str, said: Said) -> None:
    """An address that others reach is refused without a token."""
    with said.raised(ConfigError):
        access_of(Place(host, 0))


@pytest.mark.parametrize("content", [None, b"", b"short\n", b"\xff" * 20])
def test_token_files(tmp_path: Path, content: bytes | None, said: Said) -> None:
    """A file that is missing, empty or short, or no text, is refused."""
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with said.raised(ConfigError):
        access_of(Place("127.0.0.1", 0, tmp_path / "token"))


def test_a_token_on_this_host(tmp_path: Path) -> None:
    """A token file counts on the loopback, too."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert access_of(Place("127.0.0.1", 0, tmp_path / "token")).is_token(TOKEN)
