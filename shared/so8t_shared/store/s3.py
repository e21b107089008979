"""One signed request to one bucket: no retries, no meaning, only bytes and failures.

minio-py signs; its client has no public way to send `If-Match`, `If-None-Match` or a time limit of one
request, so requests are sent here.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from urllib.parse import SplitResult, urlsplit, urlunsplit
from xml.etree import ElementTree

import urllib3
from minio import time as minio_time
from minio.credentials.credentials import Credentials as MinioCredentials
from minio.error import S3Error
from minio.helpers import queryencode, quote
from minio.signer import sign_v4_s3

from so8t_shared.store.credentials import Credentials
from so8t_shared.store.failures import Failure, no_answer

_SLICE_BYTES = 1 << 18
_CONNECT_S = 10.0
_CONNECTIONS = 16
_STATUS_CODES = {403: "AccessDenied", 404: "NoSuchKey", 412: "PreconditionFailed"}
_NOTHING = hashlib.sha256(b"").hexdigest()

Body = bytes | memoryview


class Bucket:
    """A bucket and the keys to it; safe for threads."""

    def __init__(self, endpoint: str, name: str, region: str, credentials: Credentials) -> None:
        self.endpoint = endpoint
        self.name = name
        self._address = urlsplit(endpoint)
        self._region = region
        self._credentials = MinioCredentials(credentials.access_key, credentials.secret_key)
        self._pid = os.getpid()
        self._guard = threading.Lock()
        self._pool = self._new_pool()

    def send(
        self,
        method: str,
        key: str = "",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Body = b"",
        sha256: str = "",
        timeout_s: float,
    ) -> urllib3.BaseHTTPResponse:
        """Send one request and read the whole answer.

        `sha256` is the body's, where the caller knows it. `timeout_s` bounds each wait for the network,
        not the whole transfer.

        Raises:
            Failure: an error answer, or none.
        """
        url = self._url(key, query or {})
        signed = self._signed(method, url, headers or {}, sha256 or (_sha256(body) if body else _NOTHING))
        if body:
            signed["Content-Length"] = str(len(body))
        try:
            response = self._connections().urlopen(
                method,
                urlunsplit(url),
                body=_slices(body) if body else None,
                headers=signed,
                retries=False,
                redirect=False,
                timeout=urllib3.Timeout(connect=min(_CONNECT_S, timeout_s), read=timeout_s),
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise no_answer(error) from error
        if response.status in {200, 204, 206}:
            return response
        raise _failure(method, response)

    def _url(self, key: str, query: Mapping[str, str]) -> SplitResult:
        path = f"/{self.name}/{quote(key)}" if key else f"/{self.name}"
        pairs = "&".join(f"{queryencode(name)}={queryencode(value)}" for name, value in sorted(query.items()))
        return SplitResult(self._address.scheme, _host(self._address), path, pairs, "")

    def _signed(self, method: str, url: SplitResult, headers: Mapping[str, str], sha256: str) -> dict[str, str]:
        moment = _now()
        wanted: dict[str, str | list[str] | tuple[str]] = {
            **headers,
            "Host": url.netloc,
            "x-amz-content-sha256": sha256,
            "x-amz-date": minio_time.to_amz_date(moment),
        }
        signed = sign_v4_s3(
            method=method,
            url=url,
            region=self._region,
            headers=wanted,
            credentials=self._credentials,
            content_sha256=sha256,
            date=moment,
        )
        return {name: str(value) for name, value in signed.items()}

    def _connections(self) -> urllib3.PoolManager:
        """The pool of this process: connections that a fork copied belong to the parent."""
        with self._guard:
            if self._pid != os.getpid():
                self._pid, self._pool = os.getpid(), self._new_pool()
            return self._pool

    @staticmethod
    def _new_pool() -> urllib3.PoolManager:
        return urllib3.PoolManager(maxsize=_CONNECTIONS, cert_reqs="CERT_REQUIRED")


def _now() -> datetime:
    return datetime.now(UTC)


def _host(address: SplitResult) -> str:
    """The Host header, in which the scheme's own port is left out."""
    usual = {"http": 80, "https": 443}[address.scheme]
    return address.netloc if address.port != usual else address.netloc.rsplit(":", 1)[0]


def _sha256(body: Body) -> str:
    return hashlib.sha256(body).hexdigest()


def _slices(body: Body) -> Iterator[memoryview]:
    """The body in pieces, so that the time limit holds for each of them, not for a large part on a slow line."""
    view = memoryview(body)
    for start in range(0, len(view), _SLICE_BYTES):
        yield view[start : start + _SLICE_BYTES]


def _failure(method: str, response: urllib3.BaseHTTPResponse) -> Failure:
    if method == "HEAD" or not response.data:
        return Failure(response.status, _STATUS_CODES.get(response.status, ""))
    try:
        error = S3Error.fromxml(response)
    except (ElementTree.ParseError, ValueError):
        return Failure(response.status, "not S3" if response.status < 500 else "")
    return Failure(response.status, error.code or "", error.message or "")
