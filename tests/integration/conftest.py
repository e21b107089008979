"""One uninterrupted run that other runs are compared with, and a server that a test may harm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.workspace import Workspace, make_workspace
from tests.servers.minio_server import MinioServer, minio, running_minio
from tests.unit.shared.processes import end_all

__all__ = ["minio"]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path, tiny_rows: Path) -> Workspace:
    """A workspace after one uninterrupted run; tests must not change it."""
    workspace = make_workspace(tmp_path_factory.mktemp("finished"), tiny_llama, tiny_rows)
    workspace.run()
    return workspace


@pytest.fixture
def workspace(tmp_path: Path, tiny_llama: Path, tiny_rows: Path) -> Workspace:
    """A workspace in which nothing has run yet."""
    return make_workspace(tmp_path / "work", tiny_llama, tiny_rows)


@pytest.fixture
def finished_copy(tmp_path: Path, finished: Workspace) -> Workspace:
    """A private copy of the finished workspace, to be changed at will."""
    import shutil

    shutil.copytree(finished.root, tmp_path / "copy")
    return Workspace(tmp_path / "copy")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MinioServer]:
    """A server of the test's own, because it is going to suffer."""
    with running_minio(tmp_path / "minio") as own:
        yield own
    end_all()
