"""One filled store, one dashboard and one browser for all tests of the package's pages; all are read only."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright
from tests.servers.minio_server import minio
from tests.unit.dashboard.material import FAILED, RUNNING, Served, ask, fail, fill, run_training, serving, spite, study

import servers
from so8t_shared.store.local import LocalStore

__all__ = ["minio"]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A dashboard of a folder with finished, running, failed and hostile sessions."""
    pipeline = fill(tmp_path_factory.mktemp("dashboard"))
    store = LocalStore(pipeline.root / "store")
    claim = run_training(store, pipeline.config(session_id_format=RUNNING, training={"seed": 1}))
    ask(store, RUNNING)
    study(store)
    spite(store, fail(store, pipeline.config(session_id_format=FAILED, training={"seed": 2})))
    with serving(store, pipeline.config()) as dashboard:
        dashboard.wait(lambda state: len(state.sessions) == 5 and len(state.figures) == 2)
        yield dashboard
    claim.lifeline.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    binary = servers.chromium_binary()
    if binary is None:
        pytest.skip("CANNOT BE TESTED HERE: Chromium is not installed")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(binary), args=["--no-sandbox"])
        yield chromium
        chromium.close()
