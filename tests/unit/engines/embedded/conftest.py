"""The embedded engine."""

from __future__ import annotations

import pytest

from so8t_engines.embedded.engine import EmbeddedEngine


@pytest.fixture
def engine() -> EmbeddedEngine:
    """The engine with one thread."""
    return EmbeddedEngine(num_ctx=1024, threads=1)
