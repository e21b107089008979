"""Private files: rows and answers can contain what people wrote."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_OTHERS = 0o077


@contextmanager
def private_files() -> Iterator[None]:
    """Make every folder and file that this process and its children create accessible only to its owner."""
    before = os.umask(_OTHERS)
    os.umask(before | _OTHERS)
    try:
        yield
    finally:
        os.umask(before)
