"""A private folder for what a bundle unpacks to."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from so8t_shared.files import storage_errors


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """An empty folder that only its owner can read, removed afterward.

    Raises:
        StorageError: the disk is full or not writable.
    """
    with storage_errors(tempfile.gettempdir()), tempfile.TemporaryDirectory(prefix="so8t-bundle-") as folder:
        yield Path(folder).resolve()
