"""Requests to a bucket as the store makes them: tried again while the server is away, errors in words."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import urllib3

from so8t_shared.store.failures import Failure, explain
from so8t_shared.store.reading import persist_reading
from so8t_shared.store.retrying import Limits, Outage, persist
from so8t_shared.store.s3 import Bucket

T = TypeVar("T")

_VERBS = {"GET": "read", "HEAD": "read", "PUT": "write", "POST": "write", "DELETE": "delete"}


class Client:
    """A bucket, and how long to try; safe for threads."""

    def __init__(self, bucket: Bucket, limits: Limits, outage: Outage | None = None) -> None:
        self._bucket = bucket
        self.limits = limits
        self._outage = outage or Outage(f"The store at {bucket.endpoint}")

    @property
    def location(self) -> str:
        """Address and bucket."""
        return f"{self._bucket.endpoint}/{self._bucket.name}"

    def limited(self, limits: Limits) -> Client:
        """The same bucket with other limits."""
        return Client(self._bucket, limits, self._outage)

    def once(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        sha256: str = "",
    ) -> urllib3.BaseHTTPResponse:
        """One try.

        Raises:
            Failure: an error answer, or none.
        """
        wait_s = self.limits.wait_s
        return self._bucket.send(method, key, query=query, headers=headers, body=body, sha256=sha256, timeout_s=wait_s)

    def persist(self, attempt: Callable[[int], T], *, denials_doubted: int = 0) -> T:
        """What `attempt(number)` gives, tried again after failures that pass; see `retrying.persist`."""
        return persist(attempt, self.limits, self._outage, denials_doubted=denials_doubted)

    def ask(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        still: Callable[[], None] = lambda: None,
    ) -> urllib3.BaseHTTPResponse:
        """One request, tried again while the server is away; `still` may raise to end the trying.

        Raises:
            Failure: one that does not pass, or the last one when the patience ends.
        """
        sha256 = hashlib.sha256(body).hexdigest()

        def attempt(_: int) -> urllib3.BaseHTTPResponse:
            return self.once(method, key, query=query, headers=headers, body=body, sha256=sha256)

        return persist(attempt, self.limits.also(still), self._outage)

    def read(self, key: str, *, headers: Mapping[str, str], still: Callable[[], None]) -> bytes:
        """An object's bytes, tried again while the server is away; `still` may raise to end the trying.

        Raises:
            Failure: "unreadable" where the server has lost them, as `persist_reading` says.
        """
        return persist_reading(
            lambda: self.once("GET", key, headers=headers).data,
            lambda: self.ask("HEAD", key, still=still),
            self.limits.also(still),
            self._outage,
        )

    def found(self, method: str, key: str) -> urllib3.BaseHTTPResponse | None:
        """The answer to a request about one object; None when there is no such object.

        Raises:
            So8tError: any failure, in words.
        """
        with self.told(method, key):
            try:
                return self.ask(method, key)
            except Failure as failure:
                if failure.absent:
                    return None
                raise

    @contextlib.contextmanager
    def told(self, method: str, key: str, *, but: Callable[[Failure], bool] = lambda failure: False) -> Iterator[None]:
        """Turn a failure into the error that a person is shown, except those that the caller understands."""
        try:
            yield
        except Failure as failure:
            if but(failure):
                raise
            doing = f"{_VERBS[method]} {key or 'the list of objects'}"
            raise explain(failure, location=self.location, bucket=self._bucket.name, doing=doing) from failure
