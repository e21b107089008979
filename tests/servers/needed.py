"""What a test does when the server it needs is not here: skip by name, or fail where all must be there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

import servers


def binary(name: str) -> Path:
    """The program minio, mc or ollama; without it the test ends here."""
    path: Path | None = getattr(servers, f"{name}_binary")()
    return path or missing(f"{name} is not here: run 'make servers', or put it on PATH")


def missing(what: str) -> NoReturn:
    """Skip the test, saying loudly what is missing; with SO8T_REQUIRE_SERVERS=1 that is a failure."""
    message = f"CANNOT BE TESTED HERE: {what}"
    if os.environ.get("SO8T_REQUIRE_SERVERS", "") not in {"", "0"}:
        pytest.fail(message)
    pytest.skip(message)
