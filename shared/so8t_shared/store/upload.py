"""A multipart upload by minio-py: hashed in transit, so that no byte is read twice; a failure ends it immediately."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

import urllib3

from so8t_shared.store.client import Client
from so8t_shared.store.parallel import Abandoned
from so8t_shared.store.retrying import Limits, go_on
from so8t_shared.store.s3 import Request
from so8t_shared.store.transfer import Parts

_LAST_WORDS_S = 3.0


class Upload:
    """One file being uploaded; minio-py reads it as a stream and sends its parts through `_send`."""

    def __init__(self, client: Client, source: Path, check: Callable[[], None], *, denials_doubted: int) -> None:
        self._client = client
        self._source = source
        self._check = check
        self._denials_doubted = denials_doubted
        self._whole = hashlib.sha256()
        self._failed = threading.Event()
        self._failure: BaseException | None = None

    @property
    def sha256(self) -> str:
        """Digest of the bytes read so far."""
        return self._whole.hexdigest()

    def put(self, key: str, size_bytes: int, metadata: Mapping[str, str], content_type: str, parts: Parts) -> str:
        """Send the file; return the server's etag of the object.

        Raises:
            Failure: the server refused, or stayed unreachable.
            OSError: the file cannot be read to its end.
        """
        try:
            with self._source.open("rb", buffering=0) as self._file:
                result = self._client.bucket.client(self._send).put_object(
                    *(self._client.bucket.name, key, cast(BinaryIO, self), size_bytes),
                    content_type=content_type,
                    metadata=dict(metadata),
                    part_size=parts.size_for(size_bytes),
                    num_parallel_uploads=parts.workers,
                )
        except Exception:
            if self._failure is not None:
                raise self._failure from None  # the cause, not the parts that it ended
            raise
        return str(result.etag)

    def read(self, size_bytes: int) -> bytes:
        """The next bytes of the file."""
        with self._ending_all():
            self._check()
            data = self._file.read(size_bytes)
            if not data:
                raise OSError("the file shrank while it was being read")
        self._whole.update(data)
        return data

    def _send(self, request: Request) -> urllib3.BaseHTTPResponse:
        if request.ends_upload and request.method == "DELETE":
            return self._thrown_away(request)
        with self._ending_all():
            if request.ends_upload:
                self._check()
            doubted = self._denials_doubted if request.ends_upload else 0
            return self._client.resend(request, self._client.limits.also(self._still), denials_doubted=doubted)

    @contextmanager
    def _ending_all(self) -> Iterator[None]:
        """One part of the work; ends if another part failed, whereas minio-py would wait for the rest."""
        try:
            self._still()
            yield
        except Exception as error:
            if not self._failed.is_set():
                self._failure = error
                self._failed.set()
            raise

    def _still(self) -> None:
        if self._failed.is_set():
            raise Abandoned

    def _thrown_away(self, request: Request) -> urllib3.BaseHTTPResponse:
        """Abort the upload, ignoring errors: the server drops the parts after a day, and the cause matters more."""
        with suppress(Exception):
            self._client.resend(request, Limits(_LAST_WORDS_S, go_on))
        return urllib3.HTTPResponse(status=204)
