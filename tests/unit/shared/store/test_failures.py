"""What a failure means: whether it passes, and the message for a person."""

from __future__ import annotations

import http.client
import inspect

import minio.error
import pytest
import urllib3.exceptions
from tests.messages import Said

from so8t_shared.store.failures import Failure, explain, no_answer


@pytest.mark.parametrize(
    ("status", "code", "passing"),
    [
        (503, "SlowDown", True),
        (503, "", True),
        (502, "", True),
        (500, "InternalError", True),
        (429, "", True),
        (400, "RequestTimeout", True),
        (409, "ConditionalRequestConflict", True),
        (0, "refused", True),
        (0, "silent", True),
        (0, "cut", True),
        (0, "tls", False),
        (500, "unreadable", False),
        (507, "XMinioStorageFull", False),
        (400, "XMinioAdminBucketQuotaExceeded", False),
        (403, "AccessDenied", False),
        (403, "RequestTimeTooSkewed", False),
        (404, "NoSuchKey", False),
        (412, "PreconditionFailed", False),
        (501, "NotImplemented", False),
    ],
)
def test_what_passes(status: int, code: str, passing: bool) -> None:
    """Only what time alone can cure is tried again."""
    assert Failure(status, code).passing is passing


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (0, "refused"),
        (0, "tls"),
        (403, "InvalidAccessKeyId"),
        (403, "SignatureDoesNotMatch"),
        (403, "AccessDenied"),
        (403, "RequestTimeTooSkewed"),
        (404, "NoSuchBucket"),
        (507, "XMinioStorageFull"),
        (400, "XMinioAdminBucketQuotaExceeded"),
        (400, "AuthorizationHeaderMalformed"),
        (404, "not S3"),
        (400, "SomethingNew"),
    ],
)
def test_every_kind_has_a_message(status: int, code: str, said: Said) -> None:
    """What happened, where, and what to do; exit code 4."""
    failure = Failure(status, code, "of which")
    error = explain(failure, location="http://s:9000/the-bucket", bucket="the-bucket", doing="write a/b")
    said(error)
    assert error.where == "http://s:9000/the-bucket: write a/b"
    assert error.exit_code == 4


def _connection_errors() -> list[type[Exception]]:
    found = [kind for _, kind in inspect.getmembers(urllib3.exceptions, inspect.isclass)]
    return [kind for kind in found if issubclass(kind, urllib3.exceptions.HTTPError)]


@pytest.mark.parametrize("kind", _connection_errors(), ids=lambda kind: kind.__name__)
def test_every_error_of_the_connection_is_understood(kind: type[Exception]) -> None:
    """Each error that urllib3 can raise becomes a failure with a sentence; only certificates do not pass."""
    failure = no_answer(kind.__new__(kind))
    assert failure.status == 0
    assert failure.passing is not issubclass(kind, urllib3.exceptions.SSLError)


def test_an_answer_that_ends_too_soon_is_told_from_a_broken_connection() -> None:
    """Only the first is the server's doing."""
    for short in (urllib3.exceptions.IncompleteRead(3, 5), http.client.IncompleteRead(b"abc", 5)):
        assert no_answer(urllib3.exceptions.ProtocolError("Connection broken", short)).code == "cut"
    assert no_answer(urllib3.exceptions.ProtocolError("Connection broken", ConnectionResetError())).code == "broken"
    assert [Failure(0, code).spoilt for code in ("cut", "broken", "silent")] == [True, False, False]


def test_minio_raises_nothing_that_is_not_mapped() -> None:
    """Only signing, and reading of error documents and listings, are minio-py's: no request is sent by it."""
    kinds = {name for name, kind in inspect.getmembers(minio.error, inspect.isclass) if issubclass(kind, Exception)}
    assert kinds == {
        *("MinioException", "InvalidResponseError", "ServerError", "S3Error"),
        "MinioAdminException",
    }
