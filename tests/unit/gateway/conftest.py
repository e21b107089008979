"""A tiny model that decides, sessions that offer it, and running services."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.ollama_server import OllamaServer
from tests.tiny_guard import make_guard
from tests.unit.gateway.service_process import EMBEDDED, Think, ollama_section, running
from tests.unit.gateway.session import Prepared, convert_guard, hand_over


@pytest.fixture(scope="session")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that convert-b leaves for the tiny model."""
    root = tmp_path_factory.mktemp("guard")
    return convert_guard(make_guard(root / "model"), root / "converted")


@pytest.fixture(scope="session", params=["ollama", "embedded"])
def think(request: pytest.FixtureRequest, guard: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Think]:
    """A service with each engine; tests only ask it."""
    sections = EMBEDDED
    if request.param == "ollama":
        server: OllamaServer = request.getfixturevalue("ollama_server")
        sections = ollama_section(server.address)
    tested = Prepared(tmp_path_factory.mktemp("tested"), sections)
    hand_over(tested, guard)
    with running(tested) as service:
        yield service
