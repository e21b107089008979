"""Check whether a server honors conditional writes, before anything relies on them.

The probe object is in a place where every stage may write, so it needs no extra permission.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from so8t_shared.errors import ServerError
from so8t_shared.store.failures import Failure

PROBE_KEY = "sessions/by-config/probe.json"
_CONTENT = b'{"purpose": "SO8T-AB asks here whether the server honors conditional writes"}\n'
_OTHER_ETAG = '"00000000000000000000000000000000"'
_UNKNOWN = {"NotImplemented", "InvalidArgument", "InvalidRequest"}


Write = Callable[[Mapping[str, str], bytes], None]
"""Writes bytes to PROBE_KEY under a condition; raises Failure."""


def check_conditions(write: Write, location: str) -> bool:
    """Try to write over an existing object and with a wrong etag; both must fail. False if we may not write at all.

    Raises:
        ServerError: the server ignores or does not support one of the headers.
        Failure: any other error.
    """
    first = _refused(write, {"If-None-Match": "*"})
    if first is None:
        return False
    ignored = []
    if not first and not _refused(write, {"If-None-Match": "*"}):
        ignored.append("If-None-Match")
    if not _refused(write, {"If-Match": _OTHER_ETAG}):
        ignored.append("If-Match")
    if ignored:
        raise ServerError(
            f"The server does not honor conditional writes ({' and '.join(ignored)}), which coordinate the stages.",
            where=location,
            remedy="use a server that supports them: MinIO since late 2024, AWS S3 and others (docs/store.md)",
        )
    return True


def _refused(write: Write, condition: Mapping[str, str]) -> bool | None:
    """Whether a write was refused because of its condition; None if these keys may not write."""
    try:
        write(condition, _CONTENT)
    except Failure as failure:
        if failure.code == "AccessDenied":
            return None
        if failure.code in _UNKNOWN:
            return False
        if not failure.condition and not failure.absent:
            raise
        return True
    return False
