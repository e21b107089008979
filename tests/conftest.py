"""Fixtures that several parts of the tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.tiny_data import write_rows
from tests.tiny_models import make_llama


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama checkpoint; read only."""
    return make_llama(tmp_path_factory.mktemp("models") / "llama")


@pytest.fixture(scope="session")
def tiny_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A JSONL file of easy rows with its card; read only."""
    return write_rows(tmp_path_factory.mktemp("data") / "rows.jsonl")
