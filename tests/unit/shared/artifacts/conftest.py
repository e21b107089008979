"""Both kinds of store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.minio_server import MinioServer
from tests.unit.shared.store.buckets import bucket_store

from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.local import LocalStore


@pytest.fixture(params=["folder", "bucket"])
def folder_or_bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ArtifactStore]:
    """A folder, or a bucket of a real MinIO."""
    if request.param == "folder":
        yield LocalStore(tmp_path / "store")
    else:
        server: MinioServer = request.getfixturevalue("minio")
        yield bucket_store(server, server.new_bucket(), tmp_path / ".local")
