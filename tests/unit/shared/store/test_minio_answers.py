"""Answers of a bucket's server that are lost, or never come: a real MinIO behind a proxy."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import pytest
from tests.messages import Said
from tests.servers.lossy_proxy import lossy_proxy
from tests.servers.minio_server import MinioServer
from tests.unit.shared.store.buckets import MIB, bucket_of, bucket_store, random_file

from so8t_shared.errors import ServerError
from so8t_shared.store.minio import MinioStore
from so8t_shared.store.testing.contract import KEY


@pytest.fixture
def store(minio: MinioServer, tmp_path: Path) -> MinioStore:
    return bucket_store(minio, minio.new_bucket(), tmp_path / ".local")


@pytest.mark.parametrize("lost", [1, 2])
def test_a_won_write_whose_answer_was_lost_is_won(
    store: MinioStore, minio: MinioServer, tmp_path: Path, lost: int
) -> None:
    """The object is there but no answer came: on trying again the writer sees that it was its own."""
    with lossy_proxy(minio.port) as proxy:
        mine = bucket_store(minio, bucket_of(store), tmp_path / ".local", endpoint=proxy.endpoint)
        proxy.lose("PUT", lost)
        etag = mine.put_if_absent("sessions/a", b"mine")
        assert etag is not None
        assert store.read_versioned("sessions/a") == (b"mine", etag)
        proxy.lose("PUT", lost)
        second = mine.compare_and_put("sessions/a", b"mine too", etag)
        assert second is not None
        assert store.read_versioned("sessions/a") == (b"mine too", second)
        (tmp_path / "source").write_bytes(b"a file")
        proxy.lose("PUT", lost)
        third = mine.put_file("artifacts/a", tmp_path / "source")
        assert third is not None
        assert third == store.stat("artifacts/a")
        assert third.sha256 == hashlib.sha256(b"a file").hexdigest()


def test_a_lost_write_of_the_same_bytes_stays_lost(store: MinioStore, minio: MinioServer, tmp_path: Path) -> None:
    """Two racers write equal bytes; the second one learns that it lost even when it had to ask twice."""
    store.put_bytes("sessions/a", b"same")
    with lossy_proxy(minio.port) as proxy:
        mine = bucket_store(minio, bucket_of(store), tmp_path / ".local", endpoint=proxy.endpoint)
        proxy.lose("PUT")
        assert mine.put_if_absent("sessions/a", b"same") is None


def test_parts_whose_last_answer_was_lost_are_an_object(store: MinioStore, minio: MinioServer, tmp_path: Path) -> None:
    """The parts became an object but no answer came: the upload has succeeded."""
    source, sha256 = random_file(tmp_path / "source", 12 * MIB)
    with lossy_proxy(minio.port) as proxy:
        mine = bucket_store(minio, bucket_of(store), tmp_path / ".local", endpoint=proxy.endpoint)
        proxy.lose(f"POST /{bucket_of(store)}/{KEY}?uploadId=")
        stat = mine.put_file(KEY, source)
    assert stat is not None
    assert stat == store.stat(KEY)
    assert stat.sha256 == sha256


SLOW_DOWN = (
    b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: 36\r\n\r\n"
    b"<Error><Code>SlowDown</Code></Error>"
)


@pytest.mark.parametrize("instead", [b"", SLOW_DOWN], ids=["no answer", "SlowDown"])
@pytest.mark.parametrize("size", [1000, 12 * MIB])
def test_a_stall_of_reads_alone_is_an_outage(
    store: MinioStore, minio: MinioServer, tmp_path: Path, size: int, instead: bytes
) -> None:
    """While everything but GET is answered, the bytes are not called lost: exit code 4, and later they are read."""
    source, sha256 = random_file(tmp_path / "source", size)
    store.put_file(KEY, source)
    with lossy_proxy(minio.port) as proxy:
        mine = bucket_store(minio, bucket_of(store), tmp_path / ".local", endpoint=proxy.endpoint, retry_s=1.0)
        proxy.lose(f"GET /{bucket_of(store)}/{KEY}", 10**9, instead=instead)
        for read in (lambda: mine.get_file(KEY, tmp_path / "target"), lambda: mine.checksum(KEY)):
            with pytest.raises(ServerError) as caught:
                read()
            assert caught.value.exit_code == 4
        proxy.lose("", 0)
        got = mine.get_file(KEY, tmp_path / "target")
    assert got is not None
    assert got.sha256 == sha256


def test_an_outage_is_told_once(
    minio: MinioServer, store: MinioStore, tmp_path: Path, caplog: pytest.LogCaptureFixture, said: Said
) -> None:
    """While nobody answers, one line says so, not one a try; the error at the end says what to do."""
    closed = "http://127.0.0.1:9"
    mine = bucket_store(minio, bucket_of(store), tmp_path / ".local", endpoint=closed, retry_s=10.0)
    with caplog.at_level(logging.WARNING, "so8t.store"), pytest.raises(ServerError) as caught:
        mine.get_bytes("a")
    assert [r.getMessage() for r in caplog.records] == [
        f"The store at {closed} does not answer (connection refused); retrying for up to 10 s"
    ]
    assert caught.value.exit_code == 4
    said(caught.value)
