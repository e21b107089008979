"""One uninterrupted run that other runs are compared with."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.workspace import Workspace, make_workspace
from tests.servers.minio_server import minio

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
