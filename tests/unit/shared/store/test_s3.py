"""Requests as minio-py signs them: sent by us, signed anew when they are old, all ended when one fails."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import urllib3
from minio import time as minio_time
from tests.messages import Said
from tests.servers.lossy_proxy import lossy_proxy
from tests.servers.minio_server import MinioServer
from tests.unit.shared.store.buckets import MIB, bucket_store

from so8t_shared.errors import ServerError
from so8t_shared.store.credentials import read_credentials
from so8t_shared.store.failures import Failure
from so8t_shared.store.s3 import Bucket, Request

KEY = "artifacts/train/0/files/モデル +1%.bin"
DENIED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def test_an_old_signature_is_replaced(minio: MinioServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that waited through an outage of more than a quarter of an hour is accepted with a signature of now."""
    bucket = Bucket(minio.endpoint, minio.new_bucket(), "us-east-1", read_credentials(str(minio.root_file)))
    old: list[Request] = []

    def send(request: Request) -> urllib3.BaseHTTPResponse:
        old.append(request)
        raise Failure(0, "silent")

    monkeypatch.setattr(minio_time, "utcnow", lambda: datetime.now(UTC) - timedelta(minutes=20))
    with pytest.raises(Failure) as unanswered:
        bucket.client(send).get_object(bucket.name, KEY)
    with pytest.raises(Failure) as outdated:
        bucket.send(old[0], timeout_s=10)
    with pytest.raises(Failure) as accepted:
        bucket.send(bucket.signed_anew(old[0]), timeout_s=10)
    codes = [caught.value.code for caught in (unanswered, outdated, accepted)]
    assert codes == ["silent", "RequestTimeTooSkewed", "NoSuchKey"]


def test_a_part_that_fails_ends_the_others(minio: MinioServer, tmp_path: Path, said: Said) -> None:
    """The rest of a large file is neither read nor sent once the server has refused a part."""
    (tmp_path / "source").write_bytes(bytes(100 * MIB))  # twenty parts
    name = minio.new_bucket()
    with lossy_proxy(minio.port) as proxy:
        store = bucket_store(minio, name, tmp_path / ".local", endpoint=proxy.endpoint)
        proxy.refuse(f"PUT /{name}/", 10**9, DENIED)
        with said.raised(ServerError, where=f"{store.location}: write artifacts/a"):
            store.put_file("artifacts/a", tmp_path / "source")
        parts = [line for line in proxy.requests if "partNumber=" in line]
    assert 1 <= len(parts) < 10
