"""Each byte is moved once: what MinIO itself counts of a conversion, and of stages that are interrupted or read."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.integration.buckets import MIB, Host
from tests.integration.conversion_in_bucket import measure
from tests.servers.minio_server import MinioServer
from tests.unit.shared.material import FIRST, run_stage, write

from so8t_shared.errors import Interrupted
from so8t_shared.files import link_or_copy
from so8t_shared.running.context import StageContext

MOST = 1.05
SIZE = 12 * MIB
FILES = {name: random.Random(number).randbytes(SIZE) for number, name in enumerate("abc")}


def test_a_conversion_moves_each_byte_once(minio: MinioServer, tmp_path: Path) -> None:
    """The maker sends its files once and fetches none; a consumer fetches what it needs and sends next to nothing."""
    moved = measure(minio, tmp_path)
    assert moved.made_bytes > 40_000_000
    assert moved.maker.received <= MOST * moved.made_bytes
    assert moved.maker.sent <= (MOST - 1) * moved.made_bytes
    assert moved.consumer.sent <= MOST * moved.needed_bytes
    assert moved.consumer.received <= (MOST - 1) * moved.needed_bytes


def _file_by_file(ctx: StageContext, names: str) -> None:
    """Make files one by one as a conversion does, each a checkpoint, and commit what all attempts have made."""
    for name in names:
        ctx.checkpoints.save(name, write(ctx.scratch_dir / name, {name: FILES[name]}))
    if names != "c":
        raise Interrupted("stopped")
    for name in ctx.checkpoints.names():
        link_or_copy(ctx.checkpoints.load(name) / name, ctx.output_dir / name)


@pytest.mark.parametrize("same_host", [True, False], ids=["same host", "another host"])
def test_a_resumed_stage_sends_what_is_new(minio: MinioServer, tmp_path: Path, same_host: bool) -> None:
    """Whichever attempt saved a file, on whichever host: it is not sent again, and fetched only where it is not."""
    bucket = minio.new_bucket()
    first = Host(minio, bucket, tmp_path / "first")
    with pytest.raises(Interrupted):
        run_stage(FIRST, first.session, first.store, lambda ctx: _file_by_file(ctx, "ab"))
    second = first if same_host else Host(minio, bucket, tmp_path / "second")
    before = minio.traffic()
    outcome = run_stage(FIRST, second.session, second.store, lambda ctx: _file_by_file(ctx, "c"))
    moved = minio.traffic() - before
    assert moved.received <= MOST * SIZE
    assert moved.sent <= ((MOST - 1) if same_host else 2 * MOST) * SIZE
    assert [entry.key.split("/")[1] for entry in outcome.manifest.files] == ["0001", "0001", "0002"]
    base = f"artifacts/first/{outcome.fingerprint}"
    named = {f"{base}/{entry.key}" for entry in outcome.manifest.files}
    others = {f"{base}/{name}" for name in ("manifest.json", "lease.json", "attempts/0002/attempt.json")}
    assert set(second.store.list("artifacts")) == named | others


def test_a_committed_stage_leaves_no_checkpoint_on_its_host(minio: MinioServer, tmp_path: Path) -> None:
    """What `save` kept here for `load` goes with the checkpoints, and with what is dropped or replaced."""
    host = Host(minio, minio.new_bucket(), tmp_path)
    downloads = host.store.local_root / "downloads"

    def work(ctx: StageContext) -> None:
        for step in range(3):
            ctx.checkpoints.save("state", write(ctx.scratch_dir / "s", {"x": b"%d" % step}))
            assert (ctx.checkpoints.load("state") / "x").read_bytes() == b"%d" % step
        ctx.checkpoints.save("other", write(ctx.scratch_dir / "s", {"x": b"other"}))
        assert len(list(downloads.glob("*.of"))) == 2
        ctx.checkpoints.drop("other")
        assert len(list(downloads.glob("*.of"))) == 1
        write(ctx.output_dir, {"y": b"result"})

    run_stage(FIRST, host.session, host.store, work)
    assert list(downloads.iterdir()) == []
