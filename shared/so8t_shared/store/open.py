"""The store that a configuration names."""

from __future__ import annotations

from pathlib import Path

from so8t_shared.config.model import Config
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.local import LocalStore


def open_store(config: Config) -> ArtifactStore:
    """Open the store: the bucket at store.endpoint, or the folder checkpoint_dir, made if it is not there.

    Raises:
        StorageError: the folder cannot be made or written.
        ConfigError: the bucket's keys are missing.
        ServerError: the bucket cannot be reached or used.
    """
    if config.store.endpoint is None:
        return LocalStore(Path(config.checkpoint_dir))
    from so8t_shared.store.minio import open_minio  # a folder needs neither the package nor its import time

    return open_minio(config)
