"""What a store's test class must provide.

`raw_write` and `raw_keys` bypass the code under test, so that a store cannot vouch for itself.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.testing.processes import end_all

KEY = "artifacts/train/0123/files/model.bin"


class StoreContract:
    """Subclasses provide the fixture `store`, an empty store, and the three methods."""

    def reopened(self, store: ArtifactStore) -> ArtifactStore:
        """Another client of the same store, as another process would open it."""
        raise NotImplementedError

    def raw_write(self, store: ArtifactStore, key: str, data: bytes) -> None:
        """Write an object without the store's code."""
        raise NotImplementedError

    def raw_keys(self, store: ArtifactStore) -> set[str]:
        """Keys of all objects that really exist."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _no_process_is_left(self) -> Iterator[None]:
        yield
        end_all()
