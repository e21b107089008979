"""Files of artifacts, and the report with its own policy inside a frame."""

from __future__ import annotations

import asyncio
import hashlib
import html
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response

from so8t_dashboard.bucket_file import AT_ONCE, BucketFile
from so8t_dashboard.service import Service
from so8t_dashboard.views.files import find_file
from so8t_dashboard.views.records import session_view
from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.manifests import FileEntry
from so8t_shared.errors import So8tError
from so8t_shared.results.stamp import stamped

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]

_REPORTS = {
    "report.html": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox allow-popups",
    "explorer.html": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline';"
    " sandbox allow-scripts",
}
"""Pages of the report that are shown here, each with its policy: neither can reach the dashboard or any other place."""


def file_response(service: Service) -> Endpoint:
    """Answers with one file of an artifact, as a download."""
    room = asyncio.Semaphore(AT_ONCE)

    async def endpoint(request: Request) -> Response:
        stage, path = request.path_params["stage"], request.path_params["path"]
        found = await run_in_threadpool(_find, service, request, stage, path)
        if found is None:
            return PlainTextResponse("There is no such file.\n", 404)
        return await run_in_threadpool(_sent, service, *found, room)

    return endpoint


def report_response(service: Service) -> Endpoint:
    """Answers with a page of the report, to be framed by ours."""

    async def endpoint(request: Request) -> Response:
        path = request.path_params["path"]
        found = await run_in_threadpool(_find, service, request, "report", path) if path in _REPORTS else None
        if found is None:
            return PlainTextResponse("There is no such file.\n", 404)
        data = await run_in_threadpool(_read, service, *found)
        if data is None:
            return PlainTextResponse("The report cannot be read.\n", 502)
        policy = f"{_REPORTS[path]}; frame-ancestors 'self'"
        return HTMLResponse(_named(data, service, request), headers={"content-security-policy": policy})

    return endpoint


def _find(service: Service, request: Request, stage: str, path: str) -> tuple[Artifact, FileEntry] | None:
    view = session_view(service.state, request.path_params["session_id"])
    return find_file(service.state, view, stage, path) if view else None


def _read(service: Service, artifact: Artifact, entry: FileEntry) -> bytes | None:
    """The file's bytes; None if they are missing or damaged, or the store is away."""
    try:
        data = service.poller.store.get_bytes(artifact.key_of(entry)) or b""
    except So8tError:
        return None
    return data if hashlib.sha256(data).hexdigest() == entry.sha256 else None


def _named(data: bytes, service: Service, request: Request) -> bytes:
    """The report with this session's name and date, as an export of it has."""
    view = session_view(service.state, request.path_params["session_id"])
    record = view.record if view else None
    if record is None:
        return data
    texts = {"session_id": record.session_id, "created": record.created, "config_digest": record.config_digest}
    return stamped(data, **{name: html.escape(text) for name, text in texts.items()})


def _sent(service: Service, artifact: Artifact, entry: FileEntry, room: asyncio.Semaphore) -> Response:
    """The file: the folder's own, or piece by piece from the bucket."""
    own = Artifact(service.poller.store, artifact.stage, artifact.fingerprint)
    name = quote(entry.path.rpartition("/")[2], safe="")
    headers = {"content-disposition": f"attachment; filename*=utf-8''{name}", "etag": f'"{entry.sha256}"'}
    headers["content-type"] = "application/octet-stream"
    if own.store.remote:
        return BucketFile(own, entry, headers, room)
    try:
        path = own.store.local_path(own.key_of(entry))
        if path is None or path.stat().st_size != entry.size_bytes:
            return PlainTextResponse("The file is missing or cut.\n", 404)
    except (So8tError, OSError):
        return PlainTextResponse("The file cannot be read.\n", 502)
    return FileResponse(path, headers=headers)
