"""A store, a configuration that needs no files, and a session."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.shared.material import make_config

from so8t_shared.config.model import Config
from so8t_shared.sessions import Session, open_session
from so8t_shared.store.local import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return make_config(tmp_path)


@pytest.fixture
def session(store: LocalStore, config: Config) -> Session:
    return open_session(store, config)
