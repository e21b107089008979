"""Writes to a bucket, each with an id of its own, by which it is known again when its response was lost."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from minio.commonconfig import COMPLIANCE
from minio.helpers import MIN_PART_SIZE
from minio.retention import Retention

from so8t_shared.store import conditional
from so8t_shared.store.base import ObjectStat
from so8t_shared.store.client import Client
from so8t_shared.store.failures import Failure
from so8t_shared.store.sealed import Sealed
from so8t_shared.store.transfer import Parts
from so8t_shared.store.upload import Upload

_DENIALS_DOUBTED = 3
"""MinIO denies access to a write if concurrent deletes remove the folder that it needs, and then its parent.

Its `renameAll` recreates missing folders once; the second ENOENT becomes errFileAccessDenied, which is sent as
AccessDenied (`isSysErrPathNotFound`, meant for Windows). versitygw says
ExistingObjectIsDirectory then. Keys that really lack permission are reported within a second.
"""


class Writing:
    """Writes objects of one bucket."""

    def __init__(self, client: Client, parts: Parts, stat: Callable[[str], ObjectStat | None]) -> None:
        """`stat` returns size and etag of an object, None if there is none."""
        self._client = client
        self._parts = parts
        self._stat = stat

    def put(self, key: str, data: bytes, condition: Mapping[str, str]) -> ObjectStat | None:
        """Write in one request; None if the condition does not hold."""
        write = conditional.new_write()
        with self._client.told(f"write {key}"):
            etag = self._write_once(key, write, condition, lambda: self.send(key, data, condition, write))
        return ObjectStat(len(data), etag, hashlib.sha256(data).hexdigest()) if etag else None

    def put_sealed(self, key: str, data: bytes, until: datetime) -> Sealed:
        """Write unless the object exists; with object lock, nobody can remove these bytes before `until`."""
        write, condition, retention = conditional.new_write(), conditional.if_absent(), Retention(COMPLIANCE, until)
        with self._client.told(f"write {key}"):
            try:
                etag = self._write_once(
                    key, write, condition, lambda: self.send(key, data, condition, write, retention)
                )
                return Sealed(new=etag is not None, locked=True)
            except Failure as failure:
                if failure.code != "InvalidRequest" or "ObjectLock" not in failure.detail:
                    raise
        return Sealed(new=self.put(key, data, condition) is not None, locked=False)

    def send(
        self, key: str, data: bytes, condition: Mapping[str, str], write: str, retention: Retention | None = None
    ) -> str:
        """Write in one request, without retries; return our etag."""
        result = self._client.once(condition).put_object(
            *(self._client.bucket.name, key, io.BytesIO(data), len(data)),
            content_type=_kind(key),
            metadata={conditional.WRITE: write},
            part_size=max(MIN_PART_SIZE, len(data)),
            retention=retention,
        )
        return conditional.our_etag(str(result.etag), write)

    def put_parts(self, key: str, source: Path, size_bytes: int) -> ObjectStat:
        """Write a large file."""
        write = conditional.new_write()
        upload = Upload(self._client, source, self._client.limits.check, denials_doubted=_DENIALS_DOUBTED)
        with self._client.told(f"write {key}"):
            try:
                etag = upload.put(key, size_bytes, {conditional.WRITE: write}, _kind(key), self._parts)
            except Failure as failure:
                current = None if failure.passing else self._stat(key)
                if current is None or not conditional.is_ours(current, write):
                    raise
                etag = conditional.server_etag(current.etag)  # the write succeeded, but the response was lost
        return ObjectStat(size_bytes, conditional.our_etag(etag, write), upload.sha256)

    def _write_once(self, key: str, write: str, condition: Mapping[str, str], send: Callable[[], str]) -> str | None:
        """The etag from `send()`, retried; None if the condition does not hold.

        A try may succeed and its response be lost; the next one is then refused although the object is ours.
        """

        def attempt(number: int) -> str | None:
            try:
                return send()
            except Failure as failure:
                if failure.passing:
                    raise
                current = self._stat(key) if number else None
                if current is not None and conditional.is_ours(current, write):
                    return current.etag
                if condition and conditional.lost(failure):
                    return None
                raise

        return self._client.persist(attempt, denials_doubted=_DENIALS_DOUBTED)


def _kind(key: str) -> str:
    return "application/json" if key.endswith(".json") else "application/octet-stream"
