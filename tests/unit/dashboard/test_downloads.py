"""Downloads of large files by a running dashboard, from a folder and from a bucket."""

from __future__ import annotations

import hashlib
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml
from tests.servers.minio_server import MinioServer
from tests.unit.dashboard.material import RUNNING, finish
from tests.unit.shared.material import make_config, make_inputs
from tests.unit.shared.processes import until

from so8t_dashboard.bucket_file import PIECE_BYTES
from so8t_shared.config.model import Config
from so8t_shared.sessions.session import open_session
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.open import open_store

MODEL = bytes(range(251)) * 500_000
"""126 MB, in which no two pieces are alike."""
SHA256 = hashlib.sha256(MODEL).hexdigest()
FEW_BYTES = 5 * PIECE_BYTES
"""42 MB: the pieces of two downloads, and what is read from the bucket's connection."""
ADDRESS = f"/sessions/{RUNNING}/files/convert-a/model"


@dataclass(frozen=True)
class Running:
    """A dashboard in a process of its own, and the key of the model in its store."""

    process: subprocess.Popen[str]
    url: str
    store: ArtifactStore
    key: str

    def most_bytes(self) -> int:
        """The most memory that it has held since it was last asked."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) << 10


@pytest.fixture(scope="module", params=["folder", "bucket"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`so8t-ab ui` over a store with one large file."""
    root, more = tmp_path_factory.mktemp("downloads"), dict[str, Any]()
    if request.param == "bucket":
        minio: MinioServer = request.getfixturevalue("minio")
        more = {"store": minio.section(minio.new_bucket())}
    config = make_config(make_inputs(root), session_id_format=RUNNING, **more)
    store = open_store(config)
    finish(store, open_session(store, config), "convert-a", model=MODEL)
    [key] = [key for key in store.list("artifacts/convert-a") if key.endswith("/model")]
    with _dashboard(config, root) as (process, url):
        _wait_for(url)
        yield Running(process, url, store, key)


@contextmanager
def _dashboard(config: Config, root: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    file = root / "ui.yaml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_unset=True)))
    command = [sys.executable, "-m", "so8t_shared.cli", "ui", "-c", str(file), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = next(found[0] for line in process.stdout if (found := re.findall(r"http://\S+", line)))
            yield process, url.rstrip("/.")
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(url: str) -> None:
    until(lambda: ADDRESS in httpx.get(f"{url}/sessions/{RUNNING}/files").text, "the manifest")


def test_memory_is_bounded(running: Running) -> None:
    """Neither a browser that takes all nor one that takes nothing makes the dashboard hold the file."""
    httpx.get(f"{running.url}{ADDRESS}", headers={"range": "bytes=0-9"})
    running.most_bytes()
    before = running.most_bytes()
    with _taking_nothing(running.url):
        whole = hashlib.sha256()
        with httpx.stream("GET", f"{running.url}{ADDRESS}", timeout=60) as answer:
            assert answer.headers["content-length"] == str(len(MODEL))
            for data in answer.iter_raw():
                whole.update(data)
    assert whole.hexdigest() == SHA256
    print(
        running.most_bytes.__self__
        and (
            int(re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{running.process.pid}/status").read_text())[0]) * 1024
            - before
        ),
        "GROWTH",
    )
    assert running.most_bytes() - before < FEW_BYTES < len(MODEL) / 2


@contextmanager
def _taking_nothing(url: str) -> Iterator[None]:
    where = urlsplit(url)
    with socket.create_connection((where.hostname or "", where.port or 0)) as client:
        client.sendall(f"GET {ADDRESS} HTTP/1.1\r\nHost: {where.netloc}\r\n\r\n".encode())
        yield


def test_resuming(running: Running) -> None:
    """A part is sent with its place; what the file has not is refused; a HEAD tells size and digest."""
    end = len(MODEL)
    for asked, start, stop in (
        (f"{PIECE_BYTES - 5}-{PIECE_BYTES + 4}", PIECE_BYTES - 5, PIECE_BYTES + 5),
        (f"{end - 7}-", end - 7, end),
        ("-3", end - 3, end),
    ):
        answer = _get(running, range=f"bytes={asked}")
        assert (answer.status_code, answer.content) == (206, MODEL[start:stop])
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{end}"
        assert answer.headers["content-length"] == str(stop - start)
    beyond = _get(running, range=f"bytes={end}-")
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{end}")
    head = httpx.head(f"{running.url}{ADDRESS}")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(end))
    assert (head.headers["etag"], head.headers["accept-ranges"]) == (f'"{SHA256}"', "bytes")
    again = {"range": "bytes=0-9", "if-range": head.headers["etag"]}
    assert httpx.get(f"{running.url}{ADDRESS}", headers=again).status_code == 206


def _get(running: Running, **headers: str) -> httpx.Response:
    return httpx.get(f"{running.url}{ADDRESS}", headers=headers, timeout=60)


@pytest.mark.parametrize("running", ["bucket"], indirect=True)
def test_a_changed_file_never_comes_whole(running: Running) -> None:
    """The connection ends before its last bytes: no browser takes it for the model."""
    running.store.put_bytes(running.key, MODEL[:-1] + b"x")
    with httpx.stream("GET", f"{running.url}{ADDRESS}", timeout=60) as answer:
        pieces = answer.iter_raw()
        got = sum(len(next(pieces)) for _ in range(3))
        with pytest.raises(httpx.RemoteProtocolError):
            got += sum(len(data) for data in pieces)
    assert got <= len(MODEL) - len(MODEL) % PIECE_BYTES
    running.store.put_bytes(running.key, b"x")
    assert _get(running, range="bytes=0-9").status_code == 502


@pytest.mark.parametrize("running", ["folder"], indirect=True)
def test_a_cut_file_is_missing(running: Running) -> None:
    """A folder's file is sent only in its full size."""
    running.store.put_bytes(running.key, b"x")
    assert _get(running).status_code == 404
