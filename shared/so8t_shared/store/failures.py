"""What can go wrong between us and an S3 server: which of it passes, and what to tell a person.

Failure
  an answer that is an error (`status` and `code` are the server's), or no answer at all (`status` 0)
"""

from __future__ import annotations

from http.client import IncompleteRead

import urllib3

from so8t_shared.errors import IntegrityError, ServerError, So8tError

_PASSING_CODES = {
    *("SlowDown", "SlowDownRead", "SlowDownWrite", "ServiceUnavailable", "InternalError", "OperationAborted"),
    *("RequestTimeout", "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch", "ConditionalRequestConflict"),
    *("XMinioServerNotInitialized", "TooManyRequests"),
}
_FULL_CODES = {
    *("XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded", "InsufficientStorage"),
    *("XMinioDiskFull", "EntityTooLarge"),
}
_KEY_CODES = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidTokenId", "ExpiredToken", "InvalidToken"}
_REGION_CODES = {"AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect", "Redirect"}
_FULL_STATUS = 507
_NO_SERVER_STATUS = {429, 500, 502, 503, 504}


class Failure(Exception):
    """One request did not succeed."""

    def __init__(self, status: int, code: str, detail: str = "") -> None:
        super().__init__(f"{code or status}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed in a moment."""
        if self.code in _FULL_CODES or self.status == _FULL_STATUS or self.code == "unreadable":
            return False
        if self.status == 0:
            return self.code != "tls"
        return self.code in _PASSING_CODES or self.status in _NO_SERVER_STATUS

    @property
    def denied(self) -> bool:
        """Whether it says that the keys lack the right."""
        return self.code == "AccessDenied"

    @property
    def spoilt(self) -> bool:
        """Whether the server answered, and could not give the bytes: it said so, or its answer ended too soon."""
        return self.code in {"InternalError", "cut"}

    @property
    def absent(self) -> bool:
        """Whether it says that there is no such object."""
        return self.status == 404 and self.code in {"NoSuchKey", "NoSuchVersion"}

    @property
    def condition(self) -> bool:
        """Whether it says that the condition of a conditional request does not hold."""
        return self.status == 412 or self.code == "PreconditionFailed"


def no_answer(error: Exception) -> Failure:
    """The failure that an error of the connection means."""
    if isinstance(error, urllib3.exceptions.SSLError):
        return Failure(0, "tls", str(error))
    if isinstance(error, urllib3.exceptions.NameResolutionError):
        return Failure(0, "name", "its name is not known")
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return Failure(0, "refused", "the connection is refused")
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return Failure(0, "silent", "no answer in time")
    if any(isinstance(cause, IncompleteRead) for cause in (error, *error.args)):
        return Failure(0, "cut", "its answer ended too soon")
    return Failure(0, "broken", "the connection broke")


def explain(failure: Failure, *, location: str, bucket: str, doing: str) -> So8tError:
    """The error to show for a request that failed for good; `doing` is like 'write artifacts/x'."""
    if failure.code == "unreadable":
        return IntegrityError(
            "The server has an object but cannot give back its bytes: its disk has lost or changed them.",
            where=f"{location}: {doing}",
            remedy="delete that object in the bucket, then run again: the stage that made it makes it anew",
        )
    what, remedy = _sentences(failure, bucket, doing)
    return ServerError(what, where=f"{location}: {doing}", remedy=remedy)


def _sentences(failure: Failure, bucket: str, doing: str) -> tuple[str, str]:
    code = failure.code
    if code == "tls":
        return "The server's certificate is not accepted.", "correct store.endpoint, or set SSL_CERT_FILE"
    if failure.status == 0:
        return (
            f"The store's server does not answer: {failure.detail}.",
            "start it or correct store.endpoint, then run the same command again; nothing is lost",
        )
    if code in _KEY_CODES:
        return "The server does not accept these keys.", "check the file at store.credentials_file"
    if code == "NoSuchBucket":
        return f"There is no bucket {bucket!r}.", "make it (deploy/minio/init.sh does), or correct store.bucket"
    if code == "RequestTimeTooSkewed":
        return (
            "This host's clock and the server's differ by more than the 15 minutes that S3 allows.",
            "set the clock of the wrong one, for example with NTP",
        )
    if code in _FULL_CODES or failure.status == _FULL_STATUS:
        return (
            "The bucket's quota or the server's disk is full.",
            "make room ('so8t-ab artifacts gc' removes what no session needs) and run again; nothing is lost",
        )
    if code == "AccessDenied" or failure.status == 403:
        return (
            f"These keys do not give the right to {doing.split()[0]} there.",
            "use the keys of the service that does it, or give them its policy (docs/store.md)",
        )
    if code in _REGION_CODES or failure.status in {301, 307}:
        return "The bucket is in another region.", "set store.region to the bucket's region"
    if code == "not S3":
        return "What answers there is no S3 server.", "correct store.endpoint; MinIO's console has another port than S3"
    detail = f": {failure.detail}" if failure.detail else ""
    return f"The server refuses ({code or failure.status}){detail}.", "see the server's own log"
