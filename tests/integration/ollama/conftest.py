"""The whole pipeline with ab_test.engine ollama, on a real server that tests may stop and start."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.workspace import Workspace
from tests.servers.ollama_server import OllamaServer, running_ollama

NAMES = ("olla-base", "olla-retrained")


@pytest.fixture(scope="session")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OllamaServer]:
    """A server of these tests' own, which they may stop and start."""
    with running_ollama(tmp_path_factory.mktemp("ollama")) as server:
        yield server


@pytest.fixture
def server(own_server: OllamaServer) -> OllamaServer:
    """The same, running whatever a test before did to it."""
    return _restarted(own_server)


def _restarted(server: OllamaServer) -> OllamaServer:
    server.kill()
    server.start()
    return server


def _with_ollama(workspace: Workspace, address: str, **ab_test: Any) -> Workspace:
    names = {"model_a_name": NAMES[0], "model_b_name": NAMES[1], "host": address, "retry_s": 90}
    workspace.edit(ollama=names, ab_test={"engine": "ollama", **ab_test})
    return workspace


@pytest.fixture(scope="session")
def finished_on_ollama(
    own_server: OllamaServer, finished: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Workspace:
    """The finished workspace, run again on Ollama: conversion and training are reused."""
    root = tmp_path_factory.mktemp("on-ollama") / "work"
    shutil.copytree(finished.root, root)
    workspace = _with_ollama(Workspace(root), _restarted(own_server).address)
    workspace.run()
    return workspace


@pytest.fixture
def copy(finished_on_ollama: Workspace, tmp_path: Path) -> Workspace:
    """A private copy of it, to be changed at will."""
    shutil.copytree(finished_on_ollama.root, tmp_path / "copy")
    return Workspace(tmp_path / "copy")


@pytest.fixture
def fresh(finished: Workspace, server: OllamaServer, tmp_path: Path) -> Workspace:
    """Converted and trained, neither imported nor evaluated; more rows, so that there is a middle."""
    shutil.copytree(finished.root, tmp_path / "fresh")
    for stage in ("import", "evaluate", "conclude", "report"):
        shutil.rmtree(tmp_path / "fresh" / "store" / "artifacts" / stage)
    shutil.rmtree(tmp_path / "fresh" / "store" / "cache")
    return _with_ollama(Workspace(tmp_path / "fresh"), server.address)


def samples(workspace: Workspace, engine: str) -> list[dict[str, Any]]:
    """What one engine's evaluation recorded of each row."""
    for path in workspace.store.glob("artifacts/evaluate/*/attempts/*/output/asking.json"):
        if json.loads(path.read_text())["engine"]["name"] == engine:
            lines = (path.parent / "samples.jsonl").read_text().splitlines()
            return [json.loads(line) for line in lines]
    raise AssertionError(f"nothing was evaluated with {engine}")
