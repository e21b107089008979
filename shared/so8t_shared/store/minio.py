"""A bucket on an S3 server such as MinIO as artifact store.

Small objects travel in one request, larger ones in parts (`transfer`, `upload`). Requests are retried for a while
(`retrying`), and conditional writes have exactly one winner (`conditional`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from so8t_shared.config.model import Config
from so8t_shared.errors import ServerError
from so8t_shared.files import storage_errors
from so8t_shared.store import conditional
from so8t_shared.store.base import ObjectStat, check_key
from so8t_shared.store.client import Client
from so8t_shared.store.credentials import read_credentials
from so8t_shared.store.failures import Failure
from so8t_shared.store.landing import Landing
from so8t_shared.store.probe import PROBE_KEY, check_conditions
from so8t_shared.store.retrying import Limits
from so8t_shared.store.s3 import Bucket
from so8t_shared.store.sealed import Sealed, Version
from so8t_shared.store.transfer import Parts, receive, receive_part
from so8t_shared.store.versions import all_versions
from so8t_shared.store.writing import Writing

_CHANGES_ENDURED = 5


class MinioStore:
    """Objects of one bucket; `local_root` is a folder on this host. Thread-safe."""

    def __init__(self, client: Client, local_root: Path, *, parts: Parts | None = None) -> None:
        self._client = client
        self._local_root = local_root
        self._parts = parts or Parts()
        self._writing = Writing(client, self._parts, self.stat)
        with storage_errors(local_root):
            local_root.mkdir(parents=True, exist_ok=True)

    @property
    def location(self) -> str:
        """Address and bucket."""
        return self._client.location

    @property
    def local_root(self) -> Path:
        """A folder on this host for scratch files, downloads and cached digests."""
        return self._local_root

    @property
    def remote(self) -> bool:
        """True: files are hashed in transit."""
        return True

    def patient(self, seconds: float) -> MinioStore:
        """The same bucket, retrying for at most `seconds`."""
        return self._limited(self._client.limits.patient(seconds))

    def checked(self, check: Callable[[], None]) -> MinioStore:
        """The same bucket; `check` is called before each retry, each file and each part."""
        return self._limited(self._client.limits.checked(check))

    def _limited(self, limits: Limits) -> MinioStore:
        return MinioStore(self._client.limited(limits), self._local_root, parts=self._parts)

    def check_readable(self) -> None:
        """Check that the bucket exists and can be listed; writes nothing.

        Raises:
            ServerError: no response, wrong keys or no bucket.
        """
        next(iter(self.list("sessions")), None)

    def check_server(self) -> None:
        """Check that the bucket exists and the server is usable, before anything relies on it.

        Raises:
            ServerError: no response, wrong keys, no bucket, or conditional writes are ignored.
        """

        def write(condition: Mapping[str, str], data: bytes) -> None:
            self._client.persist(lambda _: self._writing.send(PROBE_KEY, data, condition, conditional.new_write()))

        with self._client.told(f"write {PROBE_KEY}"):
            may_write = check_conditions(write, self.location)
        if not may_write:
            self.check_readable()

    def put_bytes(self, key: str, data: bytes) -> ObjectStat:
        """Write an object, replacing an older one."""
        stat = self._writing.put(check_key(key), data, {})
        assert stat is not None
        return stat

    def put_file(self, key: str, source: Path, *, move: bool = False) -> ObjectStat:
        """Write a file's bytes as an object, with their sha256 in the result; `move` is ignored."""
        del move
        check_key(key)
        self._client.limits.check()
        with storage_errors(source):
            size_bytes = source.stat().st_size
            if size_bytes > self._parts.part_bytes:
                return self._writing.put_parts(key, source, size_bytes)
            data = source.read_bytes()
        return self.put_bytes(key, data)

    def get_bytes(self, key: str) -> bytes | None:
        """The object's bytes, or None if there is no such object."""
        current = self.read_versioned(key)
        return None if current is None else current[0]

    def get_file(self, key: str, target: Path) -> ObjectStat | None:
        """Copy an object to a new file, with its sha256 in the result; None if there is no such object."""
        with storage_errors(target), Landing(target) as landing:
            stat = self._receive(check_key(key), landing.begin, landing.keep)
            if stat is not None:
                landing.finish()
        return stat

    def checksum(self, key: str) -> ObjectStat | None:
        """Read the whole object; return its size, etag and sha256."""
        return self._receive(check_key(key), lambda size: None, lambda at, data: None)

    def read_part(self, key: str, start: int, size_bytes: int, etag: str) -> bytes | None:
        """Bytes of an object, from `start` on; None if it is gone or no longer has `etag`."""
        check, condition = self._client.limits.check, conditional.if_unchanged(etag)
        check()
        try:
            with self._client.told(f"read {check_key(key)}", but=conditional.lost):
                return receive_part(self._client.read, key, condition, start, size_bytes, check)
        except Failure:
            return None

    def local_path(self, key: str) -> Path | None:
        """None: objects of a bucket are not files on this host."""
        check_key(key)
        return None

    def read_versioned(self, key: str) -> tuple[bytes, str] | None:
        """Bytes and etag of the same version, or None."""
        check_key(key)
        answer = self._client.found(f"read {key}", lambda minio: minio.get_object(self._client.bucket.name, key))
        return None if answer is None else (answer.data, conditional.etag_of(answer.headers))

    def put_if_absent(self, key: str, data: bytes) -> str | None:
        """Write unless the object exists; return the etag, or None if it existed."""
        stat = self._writing.put(check_key(key), data, conditional.if_absent())
        return stat.etag if stat else None

    def put_sealed(self, key: str, data: bytes, until: datetime) -> Sealed:
        """Write unless the object exists; with object lock, nobody can remove these bytes before `until`."""
        return self._writing.put_sealed(check_key(key), data, until)

    def versions(self, prefix: str) -> Iterator[Version]:
        """All versions of all objects below `prefix`, also replaced and deleted ones, oldest first for each key."""
        return all_versions(self._client, f"{check_key(prefix.rstrip('/'))}/")

    def compare_and_put(self, key: str, data: bytes, etag: str) -> str | None:
        """Write only if the object still has `etag`; return the new etag, or None if it has changed."""
        current = self.stat(key)  # the server's etag is a digest, so to it a rewrite with equal bytes is no change
        if current is None or current.etag != etag:
            return None
        stat = self._writing.put(key, data, conditional.if_unchanged(etag))
        return stat.etag if stat else None

    def stat(self, key: str) -> ObjectStat | None:
        """Size and etag, or None if there is no such object."""
        check_key(key)
        found = self._client.found(f"read {key}", lambda minio: minio.stat_object(self._client.bucket.name, key))
        return None if found is None else ObjectStat(found.size or 0, conditional.etag_of(found.metadata or {}))

    def list(self, prefix: str) -> Iterator[str]:
        """All keys below `prefix` (a folder), sorted."""
        for key, _ in self.listing(prefix):
            yield key

    def listing(self, prefix: str) -> Iterator[tuple[str, ObjectStat]]:
        """All keys below `prefix` with size and etag; the server's etag is a digest, so the time is added to it."""
        below = f"{check_key(prefix.rstrip('/'))}/"
        with self._client.told("read the list of objects"):
            for found in self._client.patient().list_objects(self._client.bucket.name, below, recursive=True):
                if found.object_name:
                    written = found.last_modified.isoformat() if found.last_modified else ""
                    yield found.object_name, ObjectStat(found.size or 0, f"{found.etag}-{written}")

    def folders(self, prefix: str) -> Iterator[str]:
        """Names of the folders directly below `prefix`: a listing with a delimiter."""
        below = f"{check_key(prefix.rstrip('/'))}/"
        with self._client.told("read the list of folders"):
            for found in self._client.patient().list_objects(self._client.bucket.name, below):
                if found.is_dir and found.object_name:
                    yield found.object_name.removeprefix(below).rstrip("/")

    def delete(self, key: str) -> None:
        """Remove an object, if it exists."""
        check_key(key)
        self._client.found(f"delete {key}", lambda minio: minio.remove_object(self._client.bucket.name, key))

    def _receive(self, key: str, begin: Callable[[int], None], keep: Callable[[int, bytes], None]) -> ObjectStat | None:
        """Read one version of an object: `begin(size)`, then `keep(offset, bytes)` from several threads."""
        check = self._client.limits.check

        def keep_part(offset: int, data: bytes) -> None:
            check()
            keep(offset, data)

        check()
        for _ in range(_CHANGES_ENDURED):
            stat = self.stat(key)
            if stat is None:
                return None
            begin(stat.size_bytes)
            condition = conditional.if_unchanged(stat.etag)
            try:
                with self._client.told(f"read {key}", but=conditional.lost):
                    sha256 = receive(self._client.read, key, condition, stat.size_bytes, keep_part, self._parts)
            except Failure:
                continue  # replaced or removed during the read
            return dataclasses.replace(stat, sha256=sha256)
        raise ServerError(
            "The object is being replaced faster than it can be read.",
            where=f"{self.location}/{key}",
            remedy="run again when the other program is done",
        )


def open_minio(
    config: Config, *, first_contact_s: float, check: Callable[[], None], read_only: bool = False
) -> MinioStore:
    """Open and check the bucket that a configuration names; see `open_store`.

    Raises:
        ConfigError: the keys are missing.
        ServerError: no response, wrong keys, no bucket, or conditional writes are ignored.
    """
    section = config.store
    assert section.endpoint is not None
    bucket = Bucket(section.endpoint, section.bucket, section.region, read_credentials(section.credentials_file))
    client = Client(bucket, Limits(section.retry_s))
    store = MinioStore(client, Path(config.checkpoint_dir).absolute() / ".local")
    contact = store.checked(check).patient(first_contact_s)
    if read_only:
        contact.check_readable()
    else:
        contact.check_server()
    return store
