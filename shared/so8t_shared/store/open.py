"""The store that a configuration names."""

from __future__ import annotations

from pathlib import Path

from so8t_shared.config.model import Config
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.local import LocalStore


def open_store(config: Config) -> ArtifactStore:
    """Open the store; the folder is made if it is not there.

    Raises:
        StorageError: the folder cannot be made or written.
    """
    return LocalStore(Path(config.checkpoint_dir))
