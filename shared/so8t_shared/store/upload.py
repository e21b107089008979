"""An upload in parts: several at a time, hashed on the way, so that no byte is read twice.

The parts become an object in one step at the end; until then no reader sees anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self
from xml.etree import ElementTree

from minio.xml import findtext

from so8t_shared.files import read_at
from so8t_shared.store.failures import Failure
from so8t_shared.store.parallel import Wanted, in_order
from so8t_shared.store.transfer import Call, Parts


class Upload:
    """One upload: `send` the parts, make an object of them by `request` and `listing`, then `keep` it.

    A block that ends otherwise throws the parts away by `throw_away(upload_id)`, which must not raise.
    """

    def __init__(
        self, call: Call, key: str, headers: Mapping[str, str], parts: Parts, throw_away: Callable[[str], None]
    ) -> None:
        self._call = call
        self._key = key
        self._headers = headers
        self._parts = parts
        self._throw_away = throw_away
        self._id = ""
        self._tags: list[str] = []
        self._kept = False

    def __enter__(self) -> Self:
        created = self._call("POST", self._key, query={"uploads": ""}, headers=self._headers)
        self._id = _text(created.data, "UploadId")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._kept:
            self._throw_away(self._id)

    def send(self, source: Path, check: Callable[[], None]) -> tuple[int, str]:
        """Send all parts of a file; its size in bytes and sha256. `check`, called before each, may raise to end it.

        Raises:
            Failure: the server refused one, or stayed away.
            OSError: the file cannot be read to its end.
        """
        whole, wanted = hashlib.sha256(), Wanted()
        size_bytes = source.stat().st_size
        step = self._parts.size_for(size_bytes)

        def send(number: int, data: bytes) -> str:
            query = {**self.request, "partNumber": str(number)}
            return self._call("PUT", self._key, query=query, body=data, still=wanted.check).headers.get("etag", "")

        def tasks() -> Iterator[Callable[[], str]]:
            with source.open("rb", buffering=0) as file:
                for number, start in enumerate(range(0, size_bytes, step), 1):
                    check()
                    data = read_at(file.fileno(), min(step, size_bytes - start), start)
                    yield partial(send, number, data)
                    whole.update(data)  # while the part is on its way

        self._tags = list(in_order(tasks(), self._parts.workers, wanted))
        return size_bytes, whole.hexdigest()

    @property
    def request(self) -> Mapping[str, str]:
        """Query of a request about this upload."""
        return {"uploadId": self._id}

    def listing(self) -> bytes:
        """The document that makes an object of the parts."""
        root = ElementTree.Element("CompleteMultipartUpload")
        for number, tag in enumerate(self._tags, 1):
            part = ElementTree.SubElement(root, "Part")
            ElementTree.SubElement(part, "PartNumber").text = str(number)
            ElementTree.SubElement(part, "ETag").text = tag
        return ElementTree.tostring(root)

    def keep(self) -> None:
        """The parts are an object now."""
        self._kept = True


def completed_tag(answer: bytes) -> str:
    """Etag in the server's answer to a listing of parts; it may be an error in spite of its status.

    Raises:
        Failure: it is one.
    """
    root = _parsed(answer)
    if root.tag.rpartition("}")[2] == "Error":
        raise Failure(500, _text(answer, "Code"), findtext(root, "Message") or "")
    return _text(answer, "ETag").strip('"')


def _text(document: bytes, name: str) -> str:
    return findtext(_parsed(document), name, True) or ""


def _parsed(document: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(document)  # noqa: S314 - from the server that our data is entrusted to
