"""GPUs of the dashboard's host."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from tests.unit.dashboard.material import FAILED, fail
from tests.unit.shared.material import make_config, make_inputs

from so8t_dashboard.gpu import Gpu, gpus
from so8t_dashboard.pages import PAGES
from so8t_dashboard.rendering import Renderer
from so8t_dashboard.service import Service
from so8t_shared.store.local import LocalStore


def test_here() -> None:
    """Without a driver there is none, and no error; with one, memory that is used is part of what there is."""
    for gpu in gpus():
        assert 0 <= gpu.used_bytes <= gpu.total_bytes


def test_shown(tmp_path: Path) -> None:
    """A session's page has each GPU's use and memory; what the driver does not tell is left out."""
    config = make_config(make_inputs(tmp_path), session_id_format=FAILED)
    store = LocalStore(tmp_path / "store")
    fail(store, config)
    found = [Gpu("H200", 20_000_000_000, 150_000_000_000, 87, 55), Gpu("old", 1_000_000, 2_000_000, None, None)]
    service = Service(store, config, lambda: found)
    service.poller.round()
    page = next(page for page in PAGES if page.name == "overview")
    path = f"/sessions/{FAILED}"
    scope = {"type": "http", "path": path, "query_string": b"", "headers": [], "path_params": {"session_id": FAILED}}
    html = Renderer(service).page(page, Request(scope)) or ""
    assert "H200, 55 °C" in html
    assert "87%, 20.0 GB of 150.0 GB" in html
    assert "<dd>1.0 MB of 2.0 MB</dd>" in html
