"""Conditional writes: exactly one of many racers wins, even if a response gets lost.

Each write carries a unique id as metadata. So a writer whose response was lost can tell on a retry
whose object is stored, and our etag differs between two writes of the same bytes, unlike
the server's etag (a digest of the bytes).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from so8t_shared.store.base import ObjectStat
from so8t_shared.store.failures import Failure

WRITE = "so8t-write"
"""Name of the metadata with the id of the write that made an object."""


def new_write() -> str:
    """A unique id for one write."""
    return uuid.uuid4().hex


def etag_of(headers: Mapping[str, str]) -> str:
    """Our etag: the server's plus the id of the write; objects of other programs have only the former."""
    return our_etag(headers.get("etag", ""), headers.get(f"x-amz-meta-{WRITE}", ""))


def our_etag(server: str, write: str) -> str:
    """Our etag, made of the server's and the id of the write."""
    server = server.strip('"')
    return f"{server}:{write}" if write else server


def server_etag(etag: str) -> str:
    """The part of our etag that the server knows, quoted as it expects."""
    return f'"{etag.partition(":")[0]}"'


def write_of(etag: str) -> str:
    """The id of the write in our etag; empty for objects of other programs."""
    return etag.partition(":")[2]


def if_absent() -> Mapping[str, str]:
    """Header that makes a write succeed only if the object does not exist."""
    return {"If-None-Match": "*"}


def if_unchanged(etag: str) -> Mapping[str, str]:
    """Header that makes a request succeed only while the object has that etag."""
    return {"If-Match": server_etag(etag)}


def lost(failure: Failure) -> bool:
    """Whether a conditional request failed because of its condition: changed, already there, or gone."""
    return failure.condition or failure.absent


def is_ours(stat: ObjectStat | None, write: str) -> bool:
    """Whether the stored object came from the write with that id."""
    return stat is not None and write_of(stat.etag) == write
