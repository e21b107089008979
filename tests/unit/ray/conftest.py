"""A Ray cluster of several processes on this machine, and runs on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.engines.conftest import tiny  # noqa: F401 - a fixture
from tests.unit.shared.conftest import config_file, store, tmp_path  # noqa: F401 - fixtures
from tests.unit.shared.running.test_pipeline import Shown
from tests.unit.shared.small_service import ROOT, WORK

from so8t_shared.config.load import load_config
from so8t_shared.interruption import StopSignal
from so8t_shared.running.events import Listeners
from so8t_shared.running.pipeline import PipelineRun
from so8t_shared.sessions.session import Session, open_session
from so8t_shared.stages import STAGES, Stage
from so8t_shared.store.local import LocalStore

OBJECTS_BYTES = 80_000_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip by name without the package, which has 79 MB."""
    if find_spec("ray") is None:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="CANNOT BE TESTED HERE: ray is not installed"))


@pytest.fixture(scope="package")
def cluster() -> Iterator[Any]:
    """A head that runs nothing, and two hosts with two cores."""
    from ray.cluster_utils import Cluster

    before = dict(os.environ)
    os.environ.update({"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(ROOT)})
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": OBJECTS_BYTES})
    try:
        for _ in range(2):
            made.add_node(num_cpus=2, object_store_memory=OBJECTS_BYTES)
        yield made
    finally:
        made.shutdown()
        os.environ.clear()
        os.environ.update(before)


@dataclass
class Placed:
    """A session whose stages run on the cluster, and a way to run it."""

    session: Session
    store: LocalStore
    folder: Path

    def pipeline(self, works: dict[str, str] | None = None, names: tuple[str, ...] = ()) -> PipelineRun:
        """A run of those stages, all by default, whose work is small or as in `works`."""
        listeners = Listeners("run")
        listeners.add(Shown())
        stages: list[Stage] = [
            replace(stage, work=(works or {}).get(stage.name, WORK))
            for stage in STAGES
            if not names or stage.name in names
        ]
        return PipelineRun(self.store, self.session, stages, listeners, StopSignal(), jobs=len(stages))

    def notes(self) -> list[str]:
        """What attempts have noted."""
        path = self.folder / "notes.txt"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def place(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Placed]:  # noqa: F811 - a fixture
    """Open a session with other values of its execution section."""
    monkeypatch.chdir(ROOT)

    def opened(name: str = "store", **execution: Any) -> Placed:
        raw = yaml.safe_load(config_file.read_text())
        folder = config_file.parent / name
        folder.mkdir()
        path = folder / "config.yaml"
        path.write_text(yaml.safe_dump({**raw, "checkpoint_dir": str(folder / "store"), "execution": execution}))
        held = LocalStore(folder / "store")
        return Placed(open_session(held, load_config(path)), held, folder)

    return opened


def shown(run: PipelineRun) -> Shown:
    """What the run showed."""
    [heard] = run.listeners._open
    assert isinstance(heard.listener, Shown)
    return heard.listener
