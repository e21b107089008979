"""Stores over a real bucket, opened as the program opens them, with small parts so that tests have several."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

from tests.servers.s3_server import S3Server

from so8t_shared.config.model import Config
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.client import Client
from so8t_shared.store.credentials import read_credentials
from so8t_shared.store.minio import MinioStore
from so8t_shared.store.retrying import Limits
from so8t_shared.store.s3 import Bucket
from so8t_shared.store.transfer import Parts

MIB = 1 << 20
SMALL_PARTS = Parts(part_bytes=5 * MIB, workers=3)


def bucket_store(
    server: S3Server,
    bucket: str,
    folder: Path,
    *,
    endpoint: str = "",
    retry_s: float = 30.0,
    keys: Path | None = None,
) -> MinioStore:
    """A store whose files travel in parts of 5 MiB, the smallest that S3 allows."""
    credentials = read_credentials(str(keys or server.root_file))
    client = Client(Bucket(endpoint or server.endpoint, bucket, "us-east-1", credentials), Limits(retry_s))
    return MinioStore(client, folder, parts=SMALL_PARTS)


def bucket_config(server: S3Server, bucket: str, folder: Path, **store: Any) -> Config:
    """A configuration that names the bucket."""
    return Config.model_validate(
        {
            "checkpoint_dir": str(folder / "work"),
            "output_base_dir": str(folder / "results"),
            "model_a": {"base_model": "/data/model"},
            "dataset": {"paths": ["/data/rows.jsonl"]},
            "store": {**server.section(bucket), "retry_s": 10.0, **store},
        }
    )


def bucket_of(store: ArtifactStore) -> str:
    """Its name."""
    return store.location.rsplit("/", 1)[1]


def random_file(path: Path, size: int, seed: int = 1) -> tuple[Path, str]:
    """A file of random bytes and its sha256."""
    data = random.Random(seed).randbytes(size)
    path.write_bytes(data)
    return path, hashlib.sha256(data).hexdigest()


def unfinished_uploads(server: S3Server, bucket: str, key: str) -> int:
    """Parts of uploads that never became an object, counted by a plain client."""
    return len(server.client()._list_multipart_uploads(bucket, prefix=key).uploads)
