"""What a test class of a store says about it.

`raw_write` and `raw_keys` bypass the code under test, so that a store cannot vouch for itself.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.testing.processes import end_all

KEY = "artifacts/train/0123/files/model.bin"


class StoreContract:
    """Subclasses give the fixture `store`, an empty store, and the three methods."""

    def reopened(self, store: ArtifactStore) -> ArtifactStore:
        """Another client of the same place, as another process would open it."""
        raise NotImplementedError

    def raw_write(self, store: ArtifactStore, key: str, data: bytes) -> None:
        """Put an object there without the store's code."""
        raise NotImplementedError

    def raw_keys(self, store: ArtifactStore) -> set[str]:
        """Every object that really is there."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _no_process_is_left(self) -> Iterator[None]:
        yield
        end_all()
