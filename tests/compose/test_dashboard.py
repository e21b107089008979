"""`docker compose --profile ui up`: the bucket and the dashboard."""

from __future__ import annotations

import httpx
from tests.compose.stack import Stack


def test_it_starts_with_its_bucket(stack: Stack) -> None:
    """It comes up hardened beside its bucket, shows sessions to those with the token, and has a key of its own."""
    stack.compose("--profile", "ui", "up", "--detach", "--wait")
    url, token = f"http://{stack.variables['SO8T_UI_PUBLISH']}", (stack.folder / "secrets" / "ui_token").read_text()
    assert httpx.get(url).status_code == 401
    page = httpx.get(url, headers={"authorization": f"Bearer {token}"})
    assert page.status_code == 200
    assert "no session in this store yet" in page.text
    assert "http://minio:9000/so8t-ab" in page.text
    host = stack.inspect("ui")["HostConfig"]
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["PortBindings"]["8351/tcp"][0]["HostIp"]) == (
        *(True, ["ALL"]),
        "127.0.0.1",
    )
    assert token not in stack.logs("ui")
    stack.compose("--profile", "ui", "stop", "ui")
    assert stack.state("ui") == ("exited", 0)
