"""The store itself is tested on a real disk and on a real server."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.servers.minio_server import minio
from tests.servers.versitygw_server import versitygw

__all__ = ["minio", "versitygw"]


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder on the disk that pytest uses."""
    return tmp_path_factory.mktemp("store")
