"""The store's requests to a bucket: retried while the server is unreachable, with readable errors."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import urllib3
from minio import Minio

from so8t_shared.store.failures import Failure, explain
from so8t_shared.store.reading import persist_reading
from so8t_shared.store.retrying import Limits, Outage, persist
from so8t_shared.store.s3 import Bucket, Request

T = TypeVar("T")

_NO_CONDITION: Mapping[str, str] = {}


class Client:
    """A bucket with retry limits; thread-safe."""

    def __init__(self, bucket: Bucket, limits: Limits, outage: Outage | None = None) -> None:
        self.bucket = bucket
        self.limits = limits
        self._outage = outage or Outage(f"The store at {bucket.endpoint}")

    @property
    def location(self) -> str:
        """Address and bucket."""
        return f"{self.bucket.endpoint}/{self.bucket.name}"

    def limited(self, limits: Limits) -> Client:
        """The same bucket with other limits."""
        return Client(self.bucket, limits, self._outage)

    def once(self, condition: Mapping[str, str] = _NO_CONDITION) -> Minio:
        """minio-py with one try per request, under a condition such as `conditional.if_absent()`.

        Its methods raise Failure for an error response or no response.
        """
        return self.bucket.client(
            lambda request: self.bucket.send(request.with_headers(condition), timeout_s=self.limits.wait_s)
        )

    def patient(self) -> Minio:
        """minio-py that retries each request while the server is unreachable."""
        return self.bucket.client(lambda request: self.resend(request, self.limits))

    def resend(self, request: Request, limits: Limits, *, denials_doubted: int = 0) -> urllib3.BaseHTTPResponse:
        """The response to a request, retried while the server is unreachable."""

        def attempt(number: int) -> urllib3.BaseHTTPResponse:
            fresh = self.bucket.signed_anew(request) if number else request
            return self.bucket.send(fresh, timeout_s=limits.wait_s)

        return persist(attempt, limits, self._outage, denials_doubted=denials_doubted)

    def persist(self, attempt: Callable[[int], T], *, denials_doubted: int = 0) -> T:
        """The result of `attempt(number)`, retried after transient failures; see `retrying.persist`."""
        return persist(attempt, self.limits, self._outage, denials_doubted=denials_doubted)

    def read(self, key: str, *, headers: Mapping[str, str], still: Callable[[], None]) -> bytes:
        """An object's bytes, retried while the server is unreachable; `still` may raise to stop retrying.

        Raises:
            Failure: "unreadable" if the server has lost the bytes; see `persist_reading`.
        """
        return persist_reading(
            lambda: self.once().get_object(self.bucket.name, key, request_headers=dict(headers)).data,
            lambda: self.persist(lambda _: self.once().stat_object(self.bucket.name, key)),
            self.limits.also(still),
            self._outage,
        )

    def found(self, doing: str, ask: Callable[[Minio], T]) -> T | None:
        """The response to a request about one object, or None if there is no such object; `doing` is like "read a/b".

        Raises:
            So8tError: any failure, with a readable message.
        """
        with self.told(doing):
            try:
                return self.persist(lambda _: ask(self.once()))
            except Failure as failure:
                if failure.absent:
                    return None
                raise

    @contextlib.contextmanager
    def told(self, doing: str, *, but: Callable[[Failure], bool] = lambda failure: False) -> Iterator[None]:
        """Turn a failure into the error shown to the user, except failures that the caller handles."""
        try:
            yield
        except Failure as failure:
            if but(failure):
                raise
            raise explain(failure, location=self.location, bucket=self.bucket.name, doing=doing) from failure
