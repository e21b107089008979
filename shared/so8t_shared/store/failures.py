"""Failures of requests to an S3 server: which are transient, and what to tell the user.

Failure
  an error response (`status` and `code` are the server's), or no response at all (`status` 0)
"""

from __future__ import annotations

from http.client import IncompleteRead

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
    """A request failed."""

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
        """Whether the keys lack the permission."""
        return self.code == "AccessDenied"

    @property
    def doubtful(self) -> bool:
        """Whether servers give this answer to a right request while another one removes the folder it needs."""
        return self.denied or self.code == "ExistingObjectIsDirectory"

    @property
    def spoilt(self) -> bool:
        """Whether the server responded but could not deliver the bytes: an internal error or a truncated response."""
        return self.code in {"InternalError", "cut"}

    @property
    def absent(self) -> bool:
        """Whether there is no such object."""
        return self.status == 404 and self.code in {"NoSuchKey", "NoSuchVersion"}

    @property
    def condition(self) -> bool:
        """Whether the condition of a conditional request does not hold."""
        return self.status == 412 or self.code == "PreconditionFailed"


def no_answer(error: Exception) -> Failure:
    """The failure for a connection error."""
    from urllib3 import exceptions  # imported only where a server is asked

    if isinstance(error, exceptions.SSLError):
        return Failure(0, "tls", str(error))
    if isinstance(error, exceptions.NameResolutionError):
        return Failure(0, "name", "unknown host name")
    if isinstance(error, exceptions.NewConnectionError):
        return Failure(0, "refused", "connection refused")
    if isinstance(error, exceptions.TimeoutError):
        return Failure(0, "silent", "request timed out")
    if any(isinstance(cause, IncompleteRead) for cause in (error, *error.args)):
        return Failure(0, "cut", "truncated response")
    return Failure(0, "broken", "connection lost")


def explain(failure: Failure, *, location: str, bucket: str, doing: str) -> So8tError:
    """The error for a request that failed for good; `doing` is like 'write artifacts/x'."""
    if failure.code == "unreadable":
        return IntegrityError(
            "The server has the object but cannot read its bytes: its disk lost or changed them.",
            where=f"{location}: {doing}",
            remedy="delete that object in the bucket and run again: the stage that made it rebuilds it",
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
            "start it or correct store.endpoint, then run the same command again to resume",
        )
    if code in _KEY_CODES:
        return "The server does not accept these keys.", "check the file at store.credentials_file"
    if code == "NoSuchBucket":
        return f"There is no bucket {bucket!r}.", "create it (deploy/minio/init.sh), or correct store.bucket"
    if code == "RequestTimeTooSkewed":
        return (
            "The clocks of this host and the server differ by more than the 15 minutes that S3 allows.",
            "correct the wrong clock, for example with NTP",
        )
    if code in _FULL_CODES or failure.status == _FULL_STATUS:
        return (
            "The bucket's quota or the server's disk is full.",
            "free some space ('so8t-ab artifacts gc' removes what no session needs) and run again to resume",
        )
    if code == "AccessDenied" or failure.status == 403:
        return (
            f"These keys have no permission to {doing.split()[0]} there.",
            "use the keys of the service that does this, or give these keys its policy (docs/store.md)",
        )
    if code in _REGION_CODES or failure.status in {301, 307}:
        return "The bucket is in another region.", "set store.region to the bucket's region"
    if code == "not S3":
        return (
            "That is not an S3 server.",
            "correct store.endpoint; MinIO's console and S3 API have different ports",
        )
    detail = f": {failure.detail}" if failure.detail else ""
    return f"The server refuses the request ({code or failure.status}){detail}.", "see the server's log"
