"""A file of a bucket as an answer: sent piece by piece as the browser takes it, and verified on the way."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Iterator, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from so8t_dashboard.byte_ranges import Unsatisfiable, wanted_bytes
from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.manifests import FileEntry, other_bytes
from so8t_shared.errors import So8tError

PIECE_BYTES = 8 << 20
"""Bytes of a file that are in memory at once; each piece is one of the reads that the bucket gets per second."""
AT_ONCE = 8
"""Files that are sent at the same time; the next one waits."""
_SLICE_BYTES = 64 << 10
_TAKEN_S = 30.0
"""A browser that does not take a slice for so long is given up."""

log = logging.getLogger("so8t.ui")


class BucketFile(Response):
    """The file, or the part of it that the request asks for; `room` bounds how many are sent at once.

    A file that is missing, or damaged within its first piece, gives 502. Damage found later breaks the connection off
    before the last piece, so that no browser takes the file for whole. A part cannot be verified, for only
    the whole has a digest; its etag is that digest, so a client can verify what it has put together.
    """

    def __init__(self, artifact: Artifact, entry: FileEntry, headers: Mapping[str, str], room: asyncio.Semaphore):
        super().__init__(headers=headers)
        self._artifact = artifact
        self._entry = entry
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        async with self._room:
            answer = await self._answer(scope)
            await answer(scope, receive, send)

    async def _answer(self, scope: Scope) -> Response:
        size, headers = self._entry.size_bytes, dict(self.headers)
        try:
            part = wanted_bytes(Headers(scope=scope), size, headers["etag"])
        except Unsatisfiable:
            return PlainTextResponse("The file has no such bytes.\n", 416, {"content-range": f"bytes */{size}"})
        span = range(size) if part is None else part
        headers |= {"accept-ranges": "bytes", "content-length": str(len(span))}
        if part is not None:
            headers["content-range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
        status = 200 if part is None else 206
        pieces = self._pieces(span)
        try:
            if scope["method"] == "HEAD":
                await run_in_threadpool(self._etag)
                return Response(None, status, headers)
            first = await run_in_threadpool(next, pieces, b"")
        except So8tError as error:
            return PlainTextResponse(f"{error.what}\n", 502)
        return _Pieces(_slices(first, pieces), status, headers)

    def _etag(self) -> str:
        """Of the object, which must have the right size.

        Raises:
            IntegrityError: it is missing or altered.
        """
        stat = self._artifact.store.stat(self._artifact.key_of(self._entry))
        if stat is None or stat.size_bytes != self._entry.size_bytes:
            raise self._artifact.damaged(other_bytes(self._entry))
        return stat.etag

    def _pieces(self, span: range) -> Iterator[bytes]:
        """Read one piece after the other; the last one of a whole file only comes if the digest is right.

        Raises:
            IntegrityError: the file is missing or altered.
        """
        store, key, etag = self._artifact.store, self._artifact.key_of(self._entry), self._etag()
        digest = hashlib.sha256() if len(span) == self._entry.size_bytes else None
        for start in range(span.start, span.stop, PIECE_BYTES):
            data = store.read_part(key, start, min(PIECE_BYTES, span.stop - start), etag)
            if data is None:
                raise self._artifact.damaged(other_bytes(self._entry))
            if digest:
                digest.update(data)
                if start + len(data) == span.stop and digest.hexdigest() != self._entry.sha256:
                    raise self._artifact.damaged(other_bytes(self._entry))
            yield data


async def _slices(piece: bytes, more: Iterator[bytes]) -> AsyncIterator[bytes]:
    while piece:
        for start in range(0, len(piece), _SLICE_BYTES):
            yield piece[start : start + _SLICE_BYTES]
        piece = b""  # so that its memory is free before the next one comes
        piece = await run_in_threadpool(next, more, b"")


class _Pieces(StreamingResponse):
    """A body that ends early if its file is damaged, or if nobody takes it."""

    async def stream_response(self, send: Send) -> None:
        """Send the pieces."""

        async def punctually(message: Message) -> None:
            await asyncio.wait_for(send(message), _TAKEN_S)

        try:
            await super().stream_response(punctually)
        except TimeoutError:
            log.warning("A download was given up: nothing was taken for %.0f seconds.", _TAKEN_S)
        except So8tError as error:
            log.warning("A download was broken off: %s", error.what)
