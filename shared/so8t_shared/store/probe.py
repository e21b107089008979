"""Asking a server, before anything relies on it, whether it honors conditional writes.

The object asked about lies where every stage may write, so the question needs no right of its own.
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
    """Write where something is, and on top of something else; both must be refused. False: we may not write at all.

    Raises:
        ServerError: the server ignores or does not know one of the headers.
        Failure: anything else that is wrong.
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
            f"The server does not honor conditional writes ({' and '.join(ignored)}), "
            "by which stages agree on who does what.",
            where=location,
            remedy="use a server that does: MinIO since late 2024, AWS S3 and others (docs/store.md)",
        )
    return True


def _refused(write: Write, condition: Mapping[str, str]) -> bool | None:
    """Whether a write was refused for its condition; None when these keys may not write."""
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
