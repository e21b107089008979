"""Conditional writes: exactly one of many racers wins, also when an answer gets lost on the way.

Each write carries a number of its own as metadata. So a writer whose answer was lost sees on trying
again whose object is there, and an etag of ours differs between two writes of the same bytes, which
the server's etag (a digest of the bytes) does not.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from so8t_shared.store.base import ObjectStat
from so8t_shared.store.failures import Failure

WRITE = "so8t-write"
"""Name of the metadata that holds the number of the write that made an object."""


def new_write() -> str:
    """A number for one write."""
    return uuid.uuid4().hex


def etag_of(headers: Mapping[str, str]) -> str:
    """Our etag: the server's, and the number of the write; objects of other programs have only the first."""
    return our_etag(headers.get("etag", ""), headers.get(f"x-amz-meta-{WRITE}", ""))


def our_etag(server: str, write: str) -> str:
    """Our etag of the server's and the number of the write."""
    server = server.strip('"')
    return f"{server}:{write}" if write else server


def server_etag(etag: str) -> str:
    """The part of our etag that the server knows, quoted as it wants it."""
    return f'"{etag.partition(":")[0]}"'


def write_of(etag: str) -> str:
    """The number of the write in an etag of ours; empty for objects of other programs."""
    return etag.partition(":")[2]


def if_absent() -> Mapping[str, str]:
    """Header that lets a write succeed only where nothing is."""
    return {"If-None-Match": "*"}


def if_unchanged(etag: str) -> Mapping[str, str]:
    """Header that lets a write succeed only while the object has that etag."""
    return {"If-Match": server_etag(etag)}


def lost(failure: Failure) -> bool:
    """Whether a conditional write failed because of its condition: changed, there already, or gone."""
    return failure.condition or failure.absent


def is_ours(stat: ObjectStat | None, write: str) -> bool:
    """Whether what is stored now came from the write of that number."""
    return stat is not None and write_of(stat.etag) == write
