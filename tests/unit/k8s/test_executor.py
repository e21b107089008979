"""Stages as Jobs of a real API server with its Job controller; the test ends their pods as a kubelet would."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.k8s import api_server
from tests.unit.k8s.conftest import Make
from tests.unit.k8s.works import Kubelet
from tests.unit.shared.processes import until

from so8t_k8s.manifests import tag_of
from so8t_k8s.render import render
from so8t_shared.config.model import Config
from so8t_shared.errors import Interrupted, ServerError
from so8t_shared.host import now
from so8t_shared.running.events import Event
from so8t_shared.running.executor import Executor, RunningStage, open_executor
from so8t_shared.sessions.markers import ProgressRecord, StageMarkers
from so8t_shared.sessions.session import Session, open_session
from so8t_shared.stages import STAGES, stage_named
from so8t_shared.store.local import LocalStore

NAMESPACE = "so8t-ab"
TRAIN = stage_named("train")

pytestmark = [
    pytest.mark.skipif(bool(api_server.missing()), reason=f"CANNOT BE TESTED HERE: {api_server.missing()}"),
    pytest.mark.filterwarnings("ignore:Unverified HTTPS request"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[api_server.ApiServer]:
    """The server that the tests share, each with a session of its own."""
    with api_server.running(tmp_path_factory.mktemp("kubernetes")) as started:
        yield started


class Placed:
    """A session on the server, and its stages."""

    def __init__(self, server: api_server.ApiServer, config: Config, folder: Path) -> None:
        self.client = server.client()
        self.store = LocalStore(folder / "store")
        self.session: Session = open_session(self.store, config)
        self.executor: Executor = open_executor(self.session, self.store)
        self.kubelet = Kubelet(self.client, NAMESPACE, tag_of(config, self.session.session_id))
        self.told: list[Event | None] = []

    def start(self) -> RunningStage:
        """Start train."""
        return self.executor.start(TRAIN, self.session, {}, lambda _, event: self.told.append(event))

    def ending(self, *codes: int) -> threading.Thread:
        """End the stage's next pods with those codes, in another thread."""

        def end() -> None:
            for code in codes:
                self.kubelet.end(self.kubelet.next_pod("trainer"), code)

        thread = threading.Thread(target=end)
        thread.start()
        return thread

    @property
    def jobs(self) -> list[Any]:
        """The Jobs of the session."""
        found = self.client.BatchV1Api().list_namespaced_job(NAMESPACE).items
        return [job for job in found if self.session.session_id.replace("_", "-") in job.metadata.name]


@pytest.fixture
def place(
    server: api_server.ApiServer, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Placed]:
    """Open a session of its own name."""
    monkeypatch.setenv("KUBECONFIG", str(server.kube_config))

    def opened(**other: Any) -> Placed:
        execution = {"kind": "kubernetes", **other}
        return Placed(server, make(session_id_format=f"{tmp_path.name[:30]}-%H%M%S", execution=execution), tmp_path)

    return opened


@pytest.mark.parametrize("kubernetes", [{}, {"queue": "team-a", "results_claim": "results"}], ids=["plain", "claims"])
def test_the_server_accepts_what_is_rendered(
    server: api_server.ApiServer, make: Make, kubernetes: dict[str, Any]
) -> None:
    """Every object, with strict checks of its fields, as `kubectl apply --dry-run=server` does."""
    from kubernetes import dynamic

    config = make(
        execution={"kubernetes": kubernetes}, ab_test={"engine": "ollama"}, ollama={"host": "http://192.0.2.7:11434"}
    )
    api = dynamic.DynamicClient(server.client().ApiClient())
    manifests = [m for text in render(config).values() for m in yaml.safe_load_all(text)]
    assert len(manifests) == 3 + len(STAGES)
    for manifest in manifests:
        resource = api.resources.get(api_version=manifest["apiVersion"], kind=manifest["kind"])
        query = [("dryRun", "All"), ("fieldValidation", "Strict")]
        assert resource.create(body=manifest, namespace=NAMESPACE, query_params=query).kind == manifest["kind"]


def test_a_stage_that_completes(place: Callable[..., Placed]) -> None:
    """The Job runs with the session's name; the stage's progress in the store is passed on; the end comes last."""
    placed = place()
    running = placed.start()
    [pod] = [placed.kubelet.next_pod("trainer")]
    environ = {each.name: each.value for each in pod.spec.containers[0].env}
    assert environ["SO8T_SESSION"] == placed.session.session_id
    markers = StageMarkers(placed.store, placed.session.session_id, "train")
    markers.write_progress(_progress("step 3"))
    until(lambda: any(event and event.message == "step 3" for event in placed.told), "the progress")
    placed.kubelet.end(pod, 0)
    assert running.wait() == 0
    assert placed.told[-1] is None
    assert placed.told.count(None) == 1


def _progress(message: str) -> ProgressRecord:
    return ProgressRecord(
        stage="train",
        attempt=1,
        fingerprint="",
        state="running",
        done=3,
        total=9,
        message=message,
        started=now(),
        time=now(),
        host="pod",
        pid=1,
    )


@pytest.mark.parametrize("code", [2, 3, 5])
def test_a_fault_ends_the_job(place: Callable[..., Placed], code: int) -> None:
    """After one pod, with the stage's exit code."""
    placed = place()
    running = placed.start()
    ended = placed.ending(code)
    assert (running.wait(), running.last_error) == (code, "")
    ended.join()
    assert len(placed.kubelet.seen) == 1


def test_a_kill_and_a_stop_are_tried_again(place: Callable[..., Placed]) -> None:
    """137 counts as a failure and 75 does not; the third pod completes the stage with one retry allowed."""
    placed = place(kubernetes={"retries": 1})
    running = placed.start()
    ended = placed.ending(75, 137, 0)
    assert running.wait() == 0
    ended.join()
    assert len(placed.kubelet.seen) == 3


def test_retries_have_an_end(place: Callable[..., Placed]) -> None:
    """Without retries, a kill is the stage's end."""
    placed = place(kubernetes={"retries": 0})
    running = placed.start()
    ended = placed.ending(137)
    assert running.wait() == 137
    ended.join()


def test_a_stop_deletes_the_job(place: Callable[..., Placed]) -> None:
    """The pod is asked to end; once it has, the stage counts as interrupted, and can be started again."""
    placed = place()
    running = placed.start()
    pod = placed.kubelet.next_pod("trainer")
    running.ask_to_stop_once()
    running.ask_to_stop_once()
    until(lambda: placed.kubelet.pods("trainer")[0].metadata.deletion_timestamp, "SIGTERM")
    placed.kubelet.remove(pod)
    assert running.wait() == Interrupted.exit_code
    assert placed.jobs == []
    again = placed.start()
    placed.ending(0).join()
    assert again.wait() == 0


def test_no_cluster(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a context nor a pod's account: exit code 4."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    store = LocalStore(tmp_path / "store")
    with pytest.raises(ServerError) as caught:
        open_executor(open_session(store, make(execution={"kind": "kubernetes"})), store)
    assert caught.value.exit_code == 4
