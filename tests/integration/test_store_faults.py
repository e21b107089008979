"""A real MinIO that hangs, is killed, fills up or refuses: nothing half-written, work goes on when it can."""

from __future__ import annotations

import hashlib
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.integration.buckets import MIB, Host, first
from tests.messages import Said
from tests.servers.lossy_proxy import lossy_proxy
from tests.servers.minio_server import MinioServer, running_minio
from tests.unit.shared.material import FIRST, stage_run, write
from tests.unit.shared.processes import running, until
from tests.unit.shared.store.buckets import bucket_config, bucket_store, unfinished_uploads

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.errors import Interrupted, LeaseLost, ServerError
from so8t_shared.interruption import StopSignal
from so8t_shared.leases.lease import acquire
from so8t_shared.running.context import StageContext
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.store.minio import MinioStore

KEY = "artifacts/train/0123/files/model.bin"


class _Background:
    """Work in a thread; `result` waits for it and raises what it raised."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._outcome: list[Any] = []
        self._work = work
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._outcome.append(self._work())
        except BaseException as error:  # noqa: BLE001 - raised again by `result`
            self._outcome.append(error)

    @property
    def under_way(self) -> bool:
        return not self._outcome

    def result(self, timeout_s: float = 120.0) -> Any:
        self._thread.join(timeout_s)
        assert self._outcome, "it never ended"
        if isinstance(self._outcome[0], BaseException):
            raise self._outcome[0]
        return self._outcome[0]


def _found(pattern: str, text: str) -> str:
    """What differs from run to run: the group of the pattern, which must be there."""
    found = re.search(pattern, text)
    assert found
    return found[1]


def _upload(server: MinioServer, store: MinioStore, bucket: str, folder: Path) -> tuple[_Background, str]:
    """A large upload that has begun, and its sha256."""
    data = random.Random(5).randbytes(160 * MIB)
    (folder / "source").write_bytes(data)
    upload = _Background(lambda: store.put_file(KEY, folder / "source"))
    until(lambda: unfinished_uploads(server, bucket, KEY), "the beginning of the upload")
    return upload, hashlib.sha256(data).hexdigest()


def test_twenty_seconds_of_silence_in_the_middle_of_an_upload(server: MinioServer, tmp_path: Path) -> None:
    """The server hangs for 20 s while parts are on their way: the upload ends well, and the object is whole."""
    bucket = server.new_bucket()
    store = bucket_store(server, bucket, tmp_path / "local", retry_s=120.0)
    upload, sha256 = _upload(server, store, bucket, tmp_path)
    server.pause()
    assert upload.under_way
    time.sleep(20)
    assert upload.under_way
    server.resume()
    assert upload.result().sha256 == sha256
    read = store.checksum(KEY)
    assert read is not None
    assert read.sha256 == sha256


def test_killed_and_started_again_in_the_middle_of_an_upload(
    server: MinioServer, tmp_path: Path, caplog: pytest.LogCaptureFixture, said: Said
) -> None:
    """The server is killed for some seconds: parts are sent again, the object is whole, and one line told it."""
    bucket = server.new_bucket()
    store = bucket_store(server, bucket, tmp_path / "local", retry_s=120.0)
    upload, sha256 = _upload(server, store, bucket, tmp_path)
    server.kill()
    assert upload.under_way
    time.sleep(4)
    server.start()
    assert upload.result().sha256 == sha256
    read = store.checksum(KEY)
    assert read is not None
    assert read.sha256 == sha256
    assert unfinished_uploads(server, bucket, KEY) == 0
    told = [record.getMessage() for record in caplog.records if record.name == "so8t.store"]
    assert len(told) == 2
    for line, varying in zip(told, (r"\((.*)\)", r"after (\S+)"), strict=True):
        said(line, some=_found(varying, line))


def test_a_stage_rides_out_a_restart(server: MinioServer, tmp_path: Path) -> None:
    """The server is killed while a stage works and started while it commits: the stage ends well, once."""
    host = Host(server, server.new_bucket(), tmp_path)
    run = stage_run(FIRST, host.session, host.store)

    def work(ctx: Any) -> None:
        first(ctx)
        server.kill()
        threading.Timer(4.0, server.start).start()

    outcome = run.run(lambda: work)
    assert not outcome.reused
    assert Artifact(host.store, "first", outcome.fingerprint).faults(outcome.manifest) == []
    marker = StageMarkers(host.store, host.session.session_id, "first").completed()
    assert marker is not None
    assert marker.content_digest == outcome.manifest.content_digest()


BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def test_a_hiccup_does_not_lose_what_sigterm_saves(server: MinioServer, tmp_path: Path, said: Said) -> None:
    """Asked to stop, a stage whose server is busy at that moment keeps on until its checkpoint is there."""
    bucket, stop = server.new_bucket(), StopSignal()
    with lossy_proxy(server.port) as proxy:
        store = bucket_store(server, bucket, tmp_path / "local", endpoint=proxy.endpoint, retry_s=120.0)

        def work(ctx: StageContext) -> None:
            stop.ask()
            state = write(ctx.scratch_dir / "state", {"weights": b"saved"})
            lease = store.stat(ctx.artifact.lease_key)
            proxy.lose(f"PUT /{bucket}/artifacts/first/{ctx.fingerprint}/", 2, instead=BUSY)
            ctx.checkpoints.save("step-1", state)
            assert store.stat(ctx.artifact.lease_key) != lease
            ctx.check_interrupted()

        session = Host(server, bucket, tmp_path).session
        with said.raised(Interrupted):
            stage_run(FIRST, session, store, stop=stop).run(lambda: work)
    saved = [key.split("/checkpoints/")[1] for key in store.list("artifacts") if "/checkpoints/" in key]
    assert saved == ["step-1/files/weights", "step-1/manifest.json"]


def test_a_long_outage_while_answers_are_kept(
    server: MinioServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    """A server away for longer than the lease ends the stage with the cause, not with a takeover that never was."""
    monkeypatch.setattr("so8t_shared.running.runner.acquire", partial(acquire, ttl_s=3.0))
    host = Host(server, server.new_bucket(), tmp_path)

    def work(ctx: StageContext) -> None:
        server.kill()
        ctx.cache("samples").shelf("f" * 64).put("ab" * 32, {"answer": "ALLOW"})

    with pytest.raises(LeaseLost) as caught:
        stage_run(FIRST, host.session, host.store).run(lambda: work)
    said(caught.value, cause=_found(r"does not answer: ([^)]*)\)", caught.value.what))


def test_killed_while_markers_are_written(server: MinioServer, tmp_path: Path) -> None:
    """SIGKILL of the server at random moments: a marker is the old or the new one, and the writer goes on."""
    bucket = server.new_bucket()
    store = bucket_store(server, bucket, tmp_path / "local")
    markers, count = StageMarkers(store, "s", "train"), tmp_path / "count"

    def write() -> None:
        mine = StageMarkers(bucket_store(server, bucket, tmp_path / "local", retry_s=60.0), "s", "train")
        number = 0
        while True:
            number += 1
            mine.complete(f"{number:064d}", f"{number:064d}", reused=False, started="now")
            count.write_text(str(number))

    choose, seen = random.Random(11), 0
    with running(write):
        for _ in range(6):
            until(
                lambda seen=seen: count.is_file() and int(count.read_text() or 0) > seen + 3,
                "the writer's next markers",
            )
            time.sleep(choose.uniform(0, 0.05))
            server.kill()
            server.start()
            marker = markers.completed()
            assert marker is not None
            assert marker.fingerprint == marker.content_digest
            assert int(marker.fingerprint) >= seen
            seen = int(marker.fingerprint)


def test_a_server_that_stays_away(server: MinioServer, tmp_path: Path, said: Said) -> None:
    """After the patience the error says what happened and what to do, with exit code 4."""
    store = bucket_store(server, server.new_bucket(), tmp_path / "local", retry_s=2.0)
    server.kill()
    calls = {"write a": lambda: store.put_bytes("a", b""), "read a": lambda: store.get_bytes("a")}
    for doing, call in {**calls, "read the list of objects": lambda: list(store.list("a"))}.items():
        with said.raised(ServerError, where=f"{store.location}: {doing}") as caught:
            call()
        assert caught.value.exit_code == 4


def test_a_quota_that_is_full(server: MinioServer, tmp_path: Path, said: Said) -> None:
    """A bucket whose quota does not hold the files: exit code 4, no manifest, no parts left; with room it works."""
    bucket = server.new_bucket()
    host = Host(server, bucket, tmp_path)
    session = host.session
    server.admin().bucket_quota_set(bucket, 4 * MIB)
    with said.raised(ServerError) as caught:
        stage_run(FIRST, session, host.store).run(lambda: first)
    assert caught.value.exit_code == 4
    keys = list(host.store.list("artifacts"))
    assert not [key for key in keys if key.endswith("manifest.json")]
    [attempt] = [key for key in keys if key.endswith("/attempt.json")]
    big = attempt.replace("attempt.json", "output/data/big")
    assert unfinished_uploads(server, bucket, big) == 0
    server.admin().bucket_quota_clear(bucket)
    outcome = stage_run(FIRST, session, host.store).run(lambda: first)
    assert Artifact(host.store, "first", outcome.fingerprint).faults(outcome.manifest) == []


def test_a_disk_that_is_full(tmp_path: Path, said: Said) -> None:
    """A server whose disk does not hold the files: exit code 4, no manifest; what was there before stays readable."""
    data = tmp_path / "minio" / "data"
    mount = f'mount -t tmpfs -o size=96m tmpfs \'{data}\' && exec "$0" "$@"'
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("CANNOT BE TESTED HERE: a small disk: 'unshare -rm' is not permitted")
    with running_minio(tmp_path / "minio", prefix=["unshare", "-rm", "sh", "-c", mount]) as server:
        host = Host(server, server.new_bucket(), tmp_path)
        host.store.put_bytes("sessions/before", b"kept")

        def work(ctx: Any) -> None:
            (ctx.output_dir / "huge").write_bytes(random.Random(2).randbytes(120 * MIB))

        with said.raised(ServerError) as caught:
            stage_run(FIRST, host.session, host.store).run(lambda: work)
        assert caught.value.exit_code == 4
        assert not [key for key in host.store.list("artifacts") if key.endswith("manifest.json")]
        assert host.store.get_bytes("sessions/before") == b"kept"


def test_a_wrong_clock_is_told(server: MinioServer, tmp_path: Path, said: Said) -> None:
    """A host whose clock is an hour off is refused by the server, and told to set its clock."""
    config = bucket_config(server, server.new_bucket(), tmp_path)
    program = f"""
import sys
from datetime import UTC, datetime, timedelta
import minio.time
from so8t_shared.config.model import Config
from so8t_shared.errors import So8tError
from so8t_shared.store.open import open_store
minio.time.utcnow = lambda: datetime.now(UTC) + timedelta(hours=1)
try:
    open_store(Config.model_validate_json({config.model_dump_json()!r}))
except So8tError as error:
    print(error)
    sys.exit(error.exit_code)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 4, done.stderr
    said(done.stdout)
