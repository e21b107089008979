"""A run's executor: the configuration's, or the caller's."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from tests.messages import Said
from tests.unit.shared.core_environment import make_core_environment, run_python
from tests.unit.shared.material import make_config

from so8t_shared.artifacts.fingerprints import Key
from so8t_shared.errors import MissingExtra, ServerError
from so8t_shared.interruption import StopSignal
from so8t_shared.running.children import LocalExecutor, StageProcess
from so8t_shared.running.events import Listeners
from so8t_shared.running.executor import Hearing, open_executor
from so8t_shared.running.pipeline import PipelineRun
from so8t_shared.sessions.session import Session, open_session
from so8t_shared.stages import STAGES, Stage
from so8t_shared.store.local import LocalStore


def test_this_host_is_the_default(session: Session, store: LocalStore) -> None:
    """Processes of this host, which need no package."""
    assert isinstance(open_executor(session, store), LocalExecutor)


@pytest.mark.parametrize(("kind", "package"), [("ray", "ray"), ("kubernetes", "kubernetes")])
def test_a_missing_extra(tmp_path: Path, store: LocalStore, kind: str, package: str, said: Said) -> None:
    """It is named, with the command that installs it."""
    if find_spec(package):
        pytest.skip(f"CANNOT BE TESTED HERE: {package} is installed")
    session = open_session(store, make_config(tmp_path, execution={"kind": kind}))
    with pytest.raises(MissingExtra) as caught:
        open_executor(session, store)
    said(caught.value)


class _Closed(LocalExecutor):
    """Tells what becomes of it; the cluster that it stands for is not there."""

    told: list[str]

    def start(self, stage: Stage, session: Session, key: Key, hear: Hearing) -> StageProcess:
        self.told.append(f"start {stage.name}")
        raise ServerError("The cluster is gone.")

    def __exit__(self, *_: object) -> None:
        self.told.append("exit")


def test_a_callers_executor_is_its_own(config_file: Path, store: LocalStore) -> None:
    """The run starts its stages there and does not close it; an error of it ends the run."""
    config = make_config(config_file.parent, **yaml.safe_load(config_file.read_text()))
    executor = _Closed(store.local_root)
    executor.told = []
    run = PipelineRun(
        store, open_session(store, config), list(STAGES), Listeners("run"), StopSignal(), executor=executor
    )
    with pytest.raises(ServerError):
        run.run()
    assert executor.told == ["start convert-a"]


def test_rendering_needs_the_core_alone(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Manifests can be written where neither kubernetes nor a service's packages are installed."""
    folder = tmp_path_factory.mktemp("core")
    (folder / "my.yaml").write_text(
        "model_a: {base_model: inputs/model}\ndataset: {paths: [inputs/rows.jsonl]}\n"
        "store: {endpoint: 'http://minio.store:9000'}\n"
    )
    (folder / "core").mkdir()
    core = make_core_environment(folder / "core")
    done = run_python(core, "-m", "so8t_shared.cli", "k8s", "render", "-c", folder / "my.yaml")
    assert done.returncode == 0, done.stderr
    kinds = [manifest["kind"] for manifest in yaml.safe_load_all(done.stdout)]
    assert kinds == ["ConfigMap", "NetworkPolicy", *["Job"] * len(STAGES)]
