"""Names of hosts, and times, as records tell them."""

from __future__ import annotations

import re
import socket
from datetime import UTC, datetime

import pytest

from so8t_shared.host import host_name, now, versions


def test_now_is_utc() -> None:
    """Seconds, with the zone, sortable as text."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", now())
    assert abs((datetime.fromisoformat(now()) - datetime.now(UTC)).total_seconds()) < 60


def test_host_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's name, or the one that a container is given for it."""
    monkeypatch.delenv("SO8T_HOST_NAME", raising=False)
    assert host_name() == socket.gethostname()
    monkeypatch.setenv("SO8T_HOST_NAME", "gpu-box")
    assert host_name() == "gpu-box"


def test_versions() -> None:
    """This program's and Python's."""
    assert set(versions()) == {"so8t-ab", "python"}
    assert all(versions().values())
