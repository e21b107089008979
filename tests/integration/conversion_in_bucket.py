"""A real conversion in a bucket, and a consumer on another host: what the server counts of either."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.servers.minio_server import MinioServer, Traffic
from tests.tiny_models import make_phi3
from tests.unit.shared.material import run_stage
from tests.unit.shared.store.buckets import bucket_config

from so8t_converter.stages import convert_a
from so8t_shared.config.model import Config
from so8t_shared.running.context import StageContext
from so8t_shared.running.runner import Outcome
from so8t_shared.sessions.session import open_session
from so8t_shared.stages import Stage, stage_named
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.open import open_store

NEEDED = "model_a_q8_0.gguf"
CONSUMER = Stage("consumer", "tests", 1, "reads one file of the conversion", reads=(), needs={"convert-a": (NEEDED,)})


@dataclass(frozen=True)
class Moved:
    """What went to the server and came from it, beside the sizes that had to."""

    made_bytes: int
    maker: Traffic
    needed_bytes: int
    consumer: Traffic


def make_model(folder: Path) -> Path:
    """A model whose files are large beside the requests about them: some 40 MB in three files."""
    return make_phi3(folder, hidden=512, heads=8, kv_heads=8, layers=6)


def opened(server: MinioServer, bucket: str, folder: Path, model: Path) -> tuple[Config, ArtifactStore]:
    """A host of its own: its configuration and its way to the bucket."""
    config = bucket_config(server, bucket, folder)
    config = config.model_copy(update={"model_a": config.model_a.model_copy(update={"base_model": str(model)})})
    return config, open_store(config)


def convert(server: MinioServer, bucket: str, folder: Path, model: Path) -> Outcome:
    """The stage convert-a on the host `folder`."""
    config, store = opened(server, bucket, folder, model)
    return run_stage(stage_named("convert-a"), open_session(store, config), store, convert_a)


def consume(server: MinioServer, bucket: str, folder: Path, model: Path) -> Outcome:
    """A stage on the host `folder` that needs one file of convert-a."""

    def read(ctx: StageContext) -> None:
        size = (ctx.input_dir("convert-a") / NEEDED).stat().st_size
        (ctx.output_dir / "size").write_text(str(size))

    config, store = opened(server, bucket, folder, model)
    return run_stage(CONSUMER, open_session(store, config), store, read)


def measure(server: MinioServer, folder: Path) -> Moved:
    """Convert on one host, read on another, and count both."""
    bucket, model = server.new_bucket(), make_model(folder / "model")
    begin = server.traffic()
    made = convert(server, bucket, folder / "maker", model).manifest
    converted = server.traffic()
    consume(server, bucket, folder / "consumer", model)
    needed = next(entry.size_bytes for entry in made.files if entry.path == NEEDED)
    return Moved(made.size_bytes, converted - begin, needed, server.traffic() - converted)
