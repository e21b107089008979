"""One bucket through minio-py, whose requests are sent here: each with a timeout, and failures as `Failure`.

minio-py signs requests, parses S3's XML and splits files into parts. It has no public way to send `If-Match` or
`If-None-Match`, or to set a timeout per request.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import urllib3
from minio import Minio
from minio import time as minio_time
from minio.credentials.credentials import Credentials as MinioCredentials
from minio.error import S3Error
from minio.signer import sign_v4_s3

from so8t_shared.store.credentials import Credentials
from so8t_shared.store.failures import Failure, no_answer

_SLICE_BYTES = 1 << 18
_CONNECT_S = 10.0
_CONNECTIONS = 16
_STATUS_CODES = {403: "AccessDenied", 404: "NoSuchKey", 412: "PreconditionFailed"}


@dataclass(frozen=True)
class Request:
    """A request as signed by minio-py."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    def with_headers(self, more: Mapping[str, str]) -> Request:
        """The same request with additional, unsigned headers."""
        return replace(self, headers={**self.headers, **more})

    @property
    def ends_upload(self) -> bool:
        """Whether it completes (POST) or aborts (DELETE) a multipart upload."""
        return self.method in {"POST", "DELETE"} and "uploadId" in parse_qs(urlsplit(self.url).query)


Send = Callable[[Request], urllib3.BaseHTTPResponse]


class Bucket:
    """A bucket and the keys to it; thread-safe."""

    def __init__(self, endpoint: str, name: str, region: str, credentials: Credentials) -> None:
        self.endpoint = endpoint
        self.name = name
        self._region = region
        self._credentials = MinioCredentials(credentials.access_key, credentials.secret_key)
        self._pid = os.getpid()
        self._guard = threading.Lock()
        self._pool = self._new_pool()

    def client(self, send: Send) -> Minio:
        """minio-py's client, which sends its requests through `send`."""
        address, keys = urlsplit(self.endpoint), self._credentials
        return Minio(
            *(address.netloc, keys.access_key, keys.secret_key),
            secure=address.scheme == "https",
            region=self._region,
            http_client=_Connections(send),
        )

    def send(self, request: Request, *, timeout_s: float) -> urllib3.BaseHTTPResponse:
        """Send one request and read the whole response; `timeout_s` limits each wait for the network, not the transfer.

        Raises:
            Failure: an error response, or no response.
        """
        try:
            response = self._connections().urlopen(
                request.method,
                request.url,
                body=_slices(request.body) if request.body else None,
                headers=request.headers,
                retries=False,
                redirect=False,
                timeout=urllib3.Timeout(connect=min(_CONNECT_S, timeout_s), read=timeout_s),
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise no_answer(error) from error
        if response.status not in {200, 204, 206}:
            raise _failure(request.method, response)
        if request.method == "POST" and b"<Error>" in response.data[:300]:  # a failed completion has status 200
            raise _failure(request.method, response, status=500)
        return response

    def signed_anew(self, request: Request) -> Request:
        """The same request with a fresh signature; the server rejects one older than 15 minutes."""
        moment = datetime.now(UTC)
        headers = {name: value for name, value in request.headers.items() if name.lower() != "authorization"}
        headers["x-amz-date"] = minio_time.to_amz_date(moment)
        signed = sign_v4_s3(
            method=request.method,
            url=urlsplit(request.url),
            region=self._region,
            headers=dict(headers),
            credentials=self._credentials,
            content_sha256=headers["x-amz-content-sha256"],
            date=moment,
        )
        return replace(request, headers={name: str(value) for name, value in signed.items()})

    def _connections(self) -> urllib3.PoolManager:
        """The pool of this process: connections copied by a fork belong to the parent."""
        with self._guard:
            if self._pid != os.getpid():
                self._pid, self._pool = os.getpid(), self._new_pool()
            return self._pool

    @staticmethod
    def _new_pool() -> urllib3.PoolManager:
        return urllib3.PoolManager(maxsize=_CONNECTIONS, cert_reqs="CERT_REQUIRED")


class _Connections(urllib3.PoolManager):
    """Stands in for minio-py's connection pool."""

    def __init__(self, send: Send) -> None:
        super().__init__(num_pools=1)
        self._send = send

    def urlopen(self, method: str, url: str, **options: Any) -> urllib3.BaseHTTPResponse:  # type: ignore[override]
        """Send a request; minio-py's other options are handled here anyway."""
        return self._send(Request(method, url, dict(options["headers"]), options.get("body") or b""))


def _slices(body: bytes) -> Iterator[memoryview]:
    """The body in slices, so that the timeout applies to each slice, not to a large part on a slow connection."""
    view = memoryview(body)
    for start in range(0, len(view), _SLICE_BYTES):
        yield view[start : start + _SLICE_BYTES]


def _failure(method: str, response: urllib3.BaseHTTPResponse, *, status: int = 0) -> Failure:
    status = status or response.status
    if method == "HEAD" or not response.data:
        return Failure(status, _STATUS_CODES.get(status, ""))
    try:
        error = S3Error.fromxml(response)
    except (ElementTree.ParseError, ValueError):
        return Failure(status, "not S3" if status < 500 else "")
    return Failure(status, error.code or "", error.message or "")
