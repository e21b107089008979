"""The store that a configuration names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from so8t_shared.config.drives import demand_here
from so8t_shared.config.model import Config
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.local import LocalStore

FIRST_CONTACT_S = 30.0
"""Short, so that a wrong address is reported soon."""


def open_store(
    config: Config,
    *,
    first_contact_s: float = FIRST_CONTACT_S,
    check: Callable[[], None] = lambda: None,
    read_only: bool = False,
) -> ArtifactStore:
    """Open the store: the bucket at store.endpoint, or the folder checkpoint_dir, which the first write creates.

    Waits for an unresponsive server for up to `first_contact_s` seconds, but no longer than store.retry_s; `check` is
    called while waiting and may raise to stop. With `read_only`, no test of conditional writes is made in a bucket.

    Raises:
        StorageError: a file exists where the folder should be.
        ConfigError: the bucket's keys are missing, or a folder is on a drive that this host cannot have.
        ServerError: the bucket cannot be reached or used.
    """
    demand_here(output_base_dir=config.output_base_dir, checkpoint_dir=config.checkpoint_dir)
    if config.store.endpoint is None:
        return LocalStore(Path(config.checkpoint_dir))
    from so8t_shared.store.minio import open_minio  # a folder store need not import this slow package

    return open_minio(config, first_contact_s=first_contact_s, check=check, read_only=read_only)
