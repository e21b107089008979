"""The bucket store: the conformance suite on a real MinIO, and what only a bucket has."""

from __future__ import annotations

import hashlib
import io
import os
import time
from pathlib import Path

import pytest
from tests.messages import Said
from tests.servers.minio_server import MinioServer
from tests.servers.s3_server import S3Server
from tests.servers.versitygw_server import VersityServer
from tests.unit.shared.namespaces import run_on_small_disk
from tests.unit.shared.processes import kill, start
from tests.unit.shared.store.buckets import MIB, SMALL_PARTS, bucket_of, bucket_store, random_file, unfinished_uploads

from so8t_shared.errors import Interrupted, ServerError
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.minio import MinioStore
from so8t_shared.store.probe import PROBE_KEY
from so8t_shared.store.testing.contract import KEY
from so8t_shared.store.testing.suite import StoreSuite
from so8t_shared.store.transfer import Parts


@pytest.fixture
def store(minio: MinioServer, tmp_path: Path) -> MinioStore:
    return bucket_store(minio, minio.new_bucket(), tmp_path / ".local")


class TestMinioStore(StoreSuite):
    """The conformance suite over a bucket."""

    @pytest.fixture(autouse=True)
    def _server(self, minio: MinioServer) -> None:
        self.server: S3Server = minio

    def reopened(self, store: ArtifactStore) -> MinioStore:
        return bucket_store(self.server, bucket_of(store), store.local_root)

    def raw_write(self, store: ArtifactStore, key: str, data: bytes) -> None:
        self.server.client().put_object(bucket_of(store), key, io.BytesIO(data), len(data))

    def raw_keys(self, store: ArtifactStore) -> set[str]:
        listed = self.server.client().list_objects(bucket_of(store), recursive=True)
        return {str(item.object_name) for item in listed}


class TestOnVersitygw(TestMinioStore):
    """The conformance suite over a bucket of another S3 server, which honors conditional writes."""

    @pytest.fixture(autouse=True)
    def _server(self, versitygw: VersityServer) -> None:
        self.server = versitygw

    @pytest.fixture
    def store(self, versitygw: VersityServer, tmp_path: Path) -> MinioStore:
        store = bucket_store(versitygw, versitygw.new_bucket(), tmp_path / ".local")
        store.check_server()
        store.delete(PROBE_KEY)
        return store

    def test_listing_tells_sizes_and_changes(self, store: ArtifactStore) -> None:
        """A listing tells other bytes; not the same bytes again within a second, as this server's times are coarse."""
        store.put_bytes("s/a", b"123")
        store.put_bytes("s/b/c", b"")
        first = dict(store.listing("s"))
        assert {key: stat.size_bytes for key, stat in first.items()} == {"s/a": 3, "s/b/c": 0}
        assert dict(store.listing("s")) == first
        store.put_bytes("s/a", b"124")
        second = dict(store.listing("s"))
        assert (second["s/a"].etag != first["s/a"].etag, second["s/b/c"]) == (True, first["s/b/c"])


@pytest.mark.parametrize("extra", [-1, 0, 1, 7 * MIB], ids=["below", "exact", "above", "many"])
def test_files_around_the_part_size(store: MinioStore, tmp_path: Path, extra: int) -> None:
    """Smaller, equal and larger than a part: the same bytes come back, hashed on the way."""
    source, sha256 = random_file(tmp_path / "source", SMALL_PARTS.part_bytes + extra)
    put = store.put_file(KEY, source)
    got = store.get_file(KEY, tmp_path / "target")
    assert put is not None
    assert got is not None
    assert put == got == store.stat(KEY)
    assert put.sha256 == got.sha256 == sha256
    assert (tmp_path / "target").read_bytes() == source.read_bytes()


def test_a_failed_upload_leaves_no_parts(store: MinioStore, minio: MinioServer, tmp_path: Path, said: Said) -> None:
    """When the source cannot be read to its end, the parts that were sent are thrown away and no object appears."""
    source, _ = random_file(tmp_path / "source", 23 * MIB)

    class Shrinking(type(source)):  # type: ignore[misc]
        def stat(self, **options: bool) -> os.stat_result:
            found = super().stat(**options)
            return os.stat_result((*found[:6], found.st_size + MIB, *found[7:]))

    with said.raised(OSError):
        store.put_file(KEY, Shrinking(source))
    assert store.stat(KEY) is None
    assert unfinished_uploads(minio, bucket_of(store), KEY) == 0


def test_killed_in_the_middle_of_parts(store: MinioStore, minio: MinioServer, tmp_path: Path) -> None:
    """SIGKILL while parts are on their way: the object is the old or the new one, never a mix."""
    sources = [random_file(tmp_path / name, 18 * MIB, seed) for seed, name in enumerate("ab")]
    hashes = {sha256 for _, sha256 in sources}
    store.put_file(KEY, sources[0][0])

    def replace() -> None:
        mine = bucket_store(minio, bucket_of(store), tmp_path / ".local")
        while True:
            for source, _ in reversed(sources):
                mine.put_file(KEY, source)

    for delay_s in (0.05, 0.15, 0.25, 0.4):
        writer = start(replace)
        time.sleep(delay_s)
        kill(writer)
        read = store.checksum(KEY)
        assert read is not None
        assert read.sha256 in hashes


def test_a_download_mixes_no_versions(store: MinioStore, minio: MinioServer, tmp_path: Path) -> None:
    """While another process replaces a large object, each download is one whole version."""
    sources = [random_file(tmp_path / name, 16 * MIB, seed) for seed, name in enumerate("ab")]
    hashes = {sha256 for _, sha256 in sources}
    store.put_file(KEY, sources[0][0])

    def replace() -> None:
        mine = bucket_store(minio, bucket_of(store), tmp_path / ".local")
        for source, _ in sources * 3:
            mine.put_file(KEY, source)
            time.sleep(0.3)

    writer = start(replace)
    for _ in range(6):
        got = store.get_file(KEY, tmp_path / "target")
        assert got is not None
        assert got.sha256 in hashes
        assert hashlib.sha256((tmp_path / "target").read_bytes()).hexdigest() == got.sha256
    writer.join()


def test_a_full_disk_of_the_reader(store: MinioStore, minio: MinioServer, tmp_path: Path) -> None:
    """A download that does not fit is refused before it begins and leaves no half file."""
    store.put_file(KEY, random_file(tmp_path / "source", 6 * MIB)[0])
    (tmp_path / "disk").mkdir()
    printed = run_on_small_disk(
        tmp_path / "disk",
        f"""
        from so8t_shared.config.model import Config
        from so8t_shared.errors import StorageError
        from so8t_shared.store.open import open_store
        store = open_store(Config.model_validate({{
            'checkpoint_dir': {str(tmp_path / "work")!r}, 'model_a': {{'base_model': 'm'}},
            'dataset': {{'paths': ['d']}}, 'store': {minio.section(bucket_of(store))!r}}}))
        try:
            store.get_file({KEY!r}, folder / 'target')
        except StorageError as error:
            print(error.what, list(folder.iterdir()))
        """,
    )
    assert printed == "The disk is full. []\n"


def _stop() -> None:
    raise Interrupted("asked to stop")


class _StopsAt:
    """A check that raises when it is asked for the `last` time."""

    def __init__(self, last: int) -> None:
        self._last = last
        self.asked = 0

    def __call__(self) -> None:
        self.asked += 1
        if self.asked == self._last:
            _stop()


def test_the_check_is_asked_before_each_part(store: MinioStore, minio: MinioServer, tmp_path: Path) -> None:
    """Who is asked to stop in the middle of a large file need not send it to its end, and leaves no parts."""
    source, _ = random_file(tmp_path / "source", 30 * MIB)  # six parts
    check = _StopsAt(4)
    with pytest.raises(Interrupted):
        store.checked(check).put_file(KEY, source)
    assert check.asked == 4
    assert store.stat(KEY) is None
    assert unfinished_uploads(minio, bucket_of(store), KEY) == 0


def test_the_check_keeps_parts_from_becoming_an_object(store: MinioStore, tmp_path: Path) -> None:
    """Asked to stop when all parts are up, the upload leaves nothing."""
    source, _ = random_file(tmp_path / "source", 12 * MIB)  # three parts
    check = _StopsAt(5)
    with pytest.raises(Interrupted):
        store.checked(check).put_file(KEY, source)
    assert check.asked == 5
    assert store.stat(KEY) is None


def test_the_check_ends_a_download_between_its_parts(store: MinioStore, tmp_path: Path) -> None:
    """Who is asked to stop in the middle of a large file need not fetch it to its end, and keeps no half of it."""
    store.put_file(KEY, random_file(tmp_path / "source", 60 * MIB)[0])  # twelve parts
    check = _StopsAt(3)
    with pytest.raises(Interrupted):
        store.checked(check).get_file(KEY, tmp_path / "target")
    assert check.asked < 12
    assert not (tmp_path / "target").exists()


def test_part_size_grows_with_the_object() -> None:
    """A part is as large as it must be for the server's limit of ten thousand parts, in whole MiB."""
    parts = Parts(part_bytes=32 * MIB)
    assert parts.size_for(2_000_000_000) == 32 * MIB
    huge = 1_000_000_000_000
    assert parts.size_for(huge) % MIB == 0
    assert huge / parts.size_for(huge) <= 10_000


def test_no_key_shows_in_texts(store: MinioStore, minio: MinioServer) -> None:
    """Neither the store's texts nor an error of it hold a secret."""
    with pytest.raises(ServerError) as caught:
        bucket_store(minio, "no-such-bucket", store.local_root).put_bytes("a", b"")
    for text in (repr(store), repr(vars(store)), store.location, str(caught.value)):
        assert minio.root.secret_key not in text
