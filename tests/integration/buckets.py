"""Stages over a bucket, as several hosts would run them: each host has a folder of its own."""

from __future__ import annotations

from pathlib import Path

from tests.servers.minio_server import MinioServer
from tests.unit.shared.material import write
from tests.unit.shared.store.buckets import bucket_config, bucket_store

from so8t_shared.config.model import Config
from so8t_shared.running.context import StageContext
from so8t_shared.sessions.session import Session, open_session
from so8t_shared.store.minio import MinioStore

MIB = 1 << 20


class Host:
    """One host: its folder, and its own way to the same bucket."""

    def __init__(self, server: MinioServer, bucket: str, folder: Path, *, keys: Path | None = None) -> None:
        self.folder = folder
        self.config: Config = bucket_config(server, bucket, folder)
        self.store: MinioStore = bucket_store(server, bucket, folder / "work" / ".local", retry_s=120.0, keys=keys)

    @property
    def session(self) -> Session:
        """The session of the one configuration that all hosts run; their places differ."""
        return open_session(self.store, self.config)


def first(ctx: StageContext) -> None:
    """A stage with a small and a larger file, the same on every host."""
    write(
        ctx.output_dir, {"data/x": b"%d" % ctx.config.training.seed, "data/big": b"0123456789abcdef" * (12 * MIB // 16)}
    )


def second(ctx: StageContext) -> None:
    """Reads the first one."""
    folder = ctx.input_dir("first") / "data"
    write(ctx.output_dir, {"y": (folder / "x").read_bytes() * 2, "size": b"%d" % (folder / "big").stat().st_size})


def refuse(ctx: StageContext) -> None:
    """Must not be called."""
    raise AssertionError("the stage was computed although its artifact is there")
