"""Writes that a real MinIO denies, as it does to one that races deletes in its folder; a proxy answers in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.messages import Said
from tests.servers.lossy_proxy import LossyProxy, lossy_proxy
from tests.servers.minio_server import MinioServer
from tests.unit.shared.store.buckets import MIB, bucket_of, bucket_store

from so8t_shared.errors import ServerError
from so8t_shared.store.minio import MinioStore

_BODY = b"<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>"
DENIED = (
    b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
    % (len(_BODY), _BODY)
)

KEY = "artifacts/a"


@pytest.fixture
def proxy(minio: MinioServer) -> Iterator[LossyProxy]:
    """Between the store and the server."""
    with lossy_proxy(minio.port) as running:
        yield running


@pytest.fixture
def store(minio: MinioServer, proxy: LossyProxy, tmp_path: Path) -> MinioStore:
    """A bucket behind the proxy."""
    return bucket_store(minio, minio.new_bucket(), tmp_path / ".local", endpoint=proxy.endpoint)


def _small(store: MinioStore, folder: Path) -> object:
    return store.put_bytes(KEY, b"x")


def _absent(store: MinioStore, folder: Path) -> object:
    return store.put_if_absent(KEY, b"x")


def _in_parts(store: MinioStore, folder: Path) -> object:
    (folder / "source").write_bytes(bytes(11 * MIB))
    return store.put_file(KEY, folder / "source")


WRITES = {"small": ("PUT ", _small), "if absent": ("PUT ", _absent), "in parts": ("POST /{path}?uploadId=", _in_parts)}


@pytest.mark.parametrize("kind", WRITES)
@pytest.mark.parametrize("denials", [1, 3])
def test_a_denied_write_is_tried_again(
    kind: str, denials: int, store: MinioStore, proxy: LossyProxy, tmp_path: Path
) -> None:
    """The request that makes the object is sent again after up to three denials, and the write succeeds."""
    request, write = _prepared(kind, store)
    proxy.refuse(request, denials, DENIED)
    assert write(store, tmp_path)
    assert store.stat(KEY) is not None


@pytest.mark.parametrize("kind", WRITES)
def test_lasting_denial_is_believed(
    kind: str, store: MinioStore, proxy: LossyProxy, tmp_path: Path, said: Said
) -> None:
    """Keys without the right end with exit code 4."""
    request, write = _prepared(kind, store)
    proxy.refuse(request, 10**9, DENIED)
    with said.raised(ServerError, where=f"{store.location}: write {KEY}") as caught:
        write(store, tmp_path)
    assert caught.value.exit_code == 4


def test_a_denied_read_is_believed_at_once(store: MinioStore, proxy: LossyProxy, said: Said) -> None:
    """Only writes are doubted: a read that is denied once is not sent again."""
    store.put_bytes(KEY, b"x")
    proxy.refuse("GET ", 1, DENIED)
    with said.raised(ServerError, where=f"{store.location}: read {KEY}"):
        store.get_bytes(KEY)
    assert store.get_bytes(KEY) == b"x"


def _prepared(kind: str, store: MinioStore) -> tuple[str, Callable[[MinioStore, Path], object]]:
    request, write = WRITES[kind]
    return request.format(path=f"{bucket_of(store)}/{KEY}"), write
