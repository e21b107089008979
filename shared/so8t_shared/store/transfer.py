"""Large objects in parts: several at a time, hashed on the way, so that no byte is read twice.

The parts of an upload become an object in one step at the end; until then no reader sees anything.
A download asks for its parts under one etag, so that two versions are never mixed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol
from xml.etree import ElementTree

import urllib3
from minio.xml import findtext

from so8t_shared.store.failures import Failure
from so8t_shared.store.parallel import Wanted, in_order

PART_BYTES = 16 << 20
WORKERS = 4
_MOST_PARTS = 9_000
_MIB = 1 << 20


class Call(Protocol):
    """A request that is tried again while the server does not answer; `still` may raise to end the trying."""

    def __call__(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        still: Callable[[], None] = lambda: None,
    ) -> urllib3.BaseHTTPResponse:
        """Send it."""
        ...


class Read(Protocol):
    """A GET of an object's bytes that is tried again while the server does not answer; `still` as above."""

    def __call__(self, key: str, *, headers: Mapping[str, str], still: Callable[[], None]) -> bytes:
        """Send it."""
        ...


@dataclass(frozen=True)
class Parts:
    """Size of a part in bytes, and how many are on their way at once."""

    part_bytes: int = PART_BYTES
    workers: int = WORKERS

    def size_for(self, total_bytes: int) -> int:
        """Part size for an object, larger where the server's limit of 10 000 parts asks for it."""
        least = -(-total_bytes // _MOST_PARTS)
        return max(self.part_bytes, -(-least // _MIB) * _MIB)


@dataclass(frozen=True)
class Sent:
    """All parts of an upload, ready to become an object."""

    upload_id: str
    tags: list[str]
    size_bytes: int
    sha256: str

    def listing(self) -> bytes:
        """The document that makes an object of the parts."""
        root = ElementTree.Element("CompleteMultipartUpload")
        for number, tag in enumerate(self.tags, 1):
            part = ElementTree.SubElement(root, "Part")
            ElementTree.SubElement(part, "PartNumber").text = str(number)
            ElementTree.SubElement(part, "ETag").text = tag
        return ElementTree.tostring(root)


@contextlib.contextmanager
def sent_parts(
    call: Call, key: str, source: Path, headers: Mapping[str, str], parts: Parts, throw_away: Callable[[str], None]
) -> Iterator[Sent]:
    """Upload a file's parts; when that or the block raises, `throw_away(upload_id)` is called."""
    created = call("POST", key, query={"uploads": ""}, headers=headers)
    upload_id = _text(created.data, "UploadId")
    try:
        yield _send(call, key, source, upload_id, parts)
    except BaseException:
        throw_away(upload_id)
        raise


def completed_tag(answer: bytes) -> str:
    """Etag in the server's answer to a listing of parts; it may be an error in spite of its status.

    Raises:
        Failure: it is one.
    """
    root = _parsed(answer)
    if root.tag.rpartition("}")[2] == "Error":
        raise Failure(500, _text(answer, "Code"), findtext(root, "Message") or "")
    return _text(answer, "ETag").strip('"')


def _send(call: Call, key: str, source: Path, upload_id: str, parts: Parts) -> Sent:
    whole, wanted = hashlib.sha256(), Wanted()
    size_bytes = source.stat().st_size
    step = parts.size_for(size_bytes)

    def send(number: int, data: bytes) -> str:
        query = {"partNumber": str(number), "uploadId": upload_id}
        return call("PUT", key, query=query, body=data, still=wanted.check).headers.get("etag", "")

    def tasks() -> Iterator[Callable[[], str]]:
        with source.open("rb", buffering=0) as file:
            for number, start in enumerate(range(0, size_bytes, step), 1):
                data = _read(file.fileno(), start, min(step, size_bytes - start))
                yield partial(send, number, data)
                whole.update(data)  # while the part is on its way

    tags = list(in_order(tasks(), parts.workers, wanted))
    return Sent(upload_id, tags, size_bytes, whole.hexdigest())


def receive(
    read: Read,
    key: str,
    condition: Mapping[str, str],
    size_bytes: int,
    keep: Callable[[int, bytes], None],
    parts: Parts,
) -> str:
    """Download an object that meets `condition`; `keep(offset, bytes)` comes from several threads. Returns the sha256.

    Raises:
        Failure: also when the object was changed meanwhile.
    """
    whole, wanted = hashlib.sha256(), Wanted()

    def fetch(start: int) -> bytes:
        end = min(start + parts.part_bytes, size_bytes) - 1
        headers = {**condition, "Range": f"bytes={start}-{end}"}
        data = read(key, headers=headers, still=wanted.check)
        if len(data) != end - start + 1:
            raise Failure(500, "IncompleteBody", f"{len(data)} bytes instead of {end - start + 1}")
        keep(start, data)
        return data

    starts = range(0, size_bytes, parts.part_bytes)
    for data in in_order((partial(fetch, start) for start in starts), parts.workers, wanted):
        whole.update(data)
    return whole.hexdigest()


def _read(handle: int, start: int, count: int) -> bytes:
    """Exactly `count` bytes of a file."""
    pieces = []
    while count:
        piece = os.pread(handle, count, start)
        if not piece:
            raise OSError("the file became shorter while it was read")
        pieces.append(piece)
        start, count = start + len(piece), count - len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _text(document: bytes, name: str) -> str:
    return findtext(_parsed(document), name, True) or ""


def _parsed(document: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(document)  # noqa: S314 - from the server that our data is entrusted to
