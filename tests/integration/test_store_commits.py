"""Processes that want the same stage at once, or are killed while they commit, on a real MinIO server."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

from tests.integration.buckets import MIB, Host, first
from tests.servers.minio_server import MinioServer
from tests.unit.shared.material import FIRST, stage_run
from tests.unit.shared.processes import race, running, until
from tests.unit.shared.store.buckets import unfinished_uploads

from so8t_shared.artifacts.manifests import Manifest
from so8t_shared.store.minio import MinioStore


def test_one_of_sixteen_processes_computes(server: MinioServer, tmp_path: Path) -> None:
    """Sixteen processes on as many hosts want one stage at once: one computes, all have the same result."""
    bucket = server.new_bucket()
    session_id = Host(server, bucket, tmp_path).session.session_id

    def work(number: int) -> tuple[str, bool, str]:
        host = Host(server, bucket, tmp_path / f"host-{number}")

        def compute(ctx: Any) -> None:
            (tmp_path / f"computed-{number}").touch()
            time.sleep(0.5)
            (ctx.output_dir / "x").write_bytes(b"%d" % number)

        outcome = stage_run(FIRST, host.session, host.store).run(lambda: compute)
        return host.session.session_id, outcome.reused, outcome.manifest.content_digest()

    answers = race(16, work)
    assert len(list(tmp_path.glob("computed-*"))) == 1
    assert {name for name, _, _ in answers} == {session_id}
    assert [reused for _, reused, _ in answers].count(False) == 1
    assert len({content for _, _, content in answers}) == 1


def _manifest(store: MinioStore) -> Manifest:
    [key] = [key for key in store.list("artifacts") if key.endswith("/manifest.json")]
    return Manifest.from_bytes(store.get_bytes(key) or b"", key)


def test_killed_in_the_middle_of_a_commit(server: MinioServer, tmp_path: Path) -> None:
    """A stage killed while it uploads does not send again, on its next run, a file that had arrived."""
    bucket = server.new_bucket()

    def work(ctx: Any) -> None:
        first(ctx)
        (ctx.output_dir / "data" / "zz-last").write_bytes(random.Random(3).randbytes(120 * MIB))

    def run() -> None:
        host = Host(server, bucket, tmp_path)
        stage_run(FIRST, host.session, host.store).run(lambda: work)

    host = Host(server, bucket, tmp_path)

    def keys() -> list[str]:
        return [key for key in host.store.list("artifacts") if "/output/" in key]

    with running(run):
        until(
            lambda: len(keys()) == 2 and unfinished_uploads(server, bucket, _last(keys()[0])), "the last file's upload"
        )
    before = {key: host.store.stat(key) for key in keys()}
    assert len(before) == 2
    run()
    assert {key: host.store.stat(key) for key in before} == before  # the same etags: not written again
    assert len(_manifest(host.store).files) == 3


def _last(key: str) -> str:
    return key.rsplit("/", 1)[0] + "/zz-last"
