"""What tests with servers need: the programs, or a named skip (a failure where all must be there), and free ports."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import NoReturn

import pytest

import servers


def binary(name: str) -> Path:
    """The program minio, mc, versitygw or ollama; without it the test ends here."""
    path: Path | None = getattr(servers, f"{name}_binary")()
    return path or missing(f"{name} is not here: run 'make servers', or put it on PATH")


def missing(what: str) -> NoReturn:
    """Skip the test, saying loudly what is missing; with SO8T_REQUIRE_SERVERS=1 that is a failure."""
    message = f"CANNOT BE TESTED HERE: {what}"
    if os.environ.get("SO8T_REQUIRE_SERVERS", "") not in {"", "0"}:
        pytest.fail(message)
    pytest.skip(message)


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
