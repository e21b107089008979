"""What part of a file a browser asks for (RFC 9110, section 14)."""

from __future__ import annotations

import re

from starlette.datastructures import Headers

_ONE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII | re.IGNORECASE)


class Unsatisfiable(Exception):
    """The range lies outside the file."""


def wanted_bytes(headers: Headers, size_bytes: int, etag: str) -> range | None:
    """The bytes that are asked for, not empty; None for the whole file.

    The whole is also the right answer to a range that is not understood, to several, and to one of another version.

    Raises:
        Unsatisfiable: the file has no such bytes.
    """
    found = _ONE.fullmatch(headers.get("range", "").strip())
    if found is None or headers.get("if-range", etag) != etag:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if first and last and int(last) < int(first):
        return None
    start = int(first) if first else max(0, size_bytes - int(last))
    stop = min(int(last) + 1, size_bytes) if first and last else size_bytes
    if start >= stop:
        raise Unsatisfiable
    return range(start, stop)
