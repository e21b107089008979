"""Stages as tasks of a Ray cluster of several processes: the same results, failures, stops, and lost hosts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.messages import Said
from tests.unit.ray.conftest import OBJECTS_BYTES, Placed, shown
from tests.unit.ray.works import STEPS
from tests.unit.shared.processes import until
from tests.unit.shared.small_service import NAMES

from so8t_shared import interruption
from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.errors import InputError, Interrupted, ServerError
from so8t_shared.running.pipeline import StageFailed
from so8t_shared.sessions.markers import StageMarkers

COUNTING = {"train": "tests.unit.ray.works:counting"}


def _contents(placed: Placed) -> dict[str, str]:
    """Fingerprint and digest of each stage's artifact."""
    found = {}
    for name in NAMES:
        marker = StageMarkers(placed.store, placed.session.session_id, name).completed()
        assert marker
        manifest = Artifact(placed.store, name, marker.fingerprint).manifest()
        assert manifest
        found[name] = f"{marker.fingerprint} {manifest.content_digest()}"
    return found


def _ray(cluster: Any, **other: Any) -> dict[str, Any]:
    return {"kind": "ray", "ray": {"address": cluster.address, **other}}


def test_results_are_those_of_a_local_run(cluster: Any, place: Callable[..., Placed]) -> None:
    """All stages run as tasks, with their events; fingerprints and bytes are those of processes on this host."""
    on_ray, here = place("ray", **_ray(cluster)), place("here")
    run, local = on_ray.pipeline(), here.pipeline()
    run.run()
    local.run()
    assert sorted(run.computed) == sorted(local.computed) == sorted(NAMES)
    assert _contents(on_ray) == _contents(here)
    assert ("train", "making train") in shown(run).messages
    again = on_ray.pipeline()
    again.run()
    assert (again.computed, len(again.reused)) == ([], len(NAMES))
    assert again.executor is None  # nothing to do: no cluster was joined


def test_a_fault_of_the_input_is_not_tried_again(cluster: Any, place: Callable[..., Placed], said: Said) -> None:
    """The stage's own error and exit code, after one attempt."""
    placed = place(**_ray(cluster))
    with said.raised(StageFailed, where="model.safetensors") as caught:
        placed.pipeline({"train": "tests.unit.ray.works:refusing"}, ("train",)).run()
    assert caught.value.exit_code == 2
    assert placed.notes() == ["refused"]


def test_a_killed_stage_is_tried_again(cluster: Any, place: Callable[..., Placed]) -> None:
    """As after the kernel ran out of memory; the second attempt completes it."""
    placed = place(**_ray(cluster))
    run = placed.pipeline({"train": "tests.unit.ray.works:dying_once"}, ("train",))
    run.run()
    assert (run.computed, placed.notes()) == (["train"], ["attempt", "attempt"])


def test_it_is_not_tried_again_for_ever(cluster: Any, place: Callable[..., Placed], said: Said) -> None:
    """Without retries, the kill is what the run reports."""
    placed = place(**_ray(cluster, retries=0))
    with pytest.raises(StageFailed) as caught:
        placed.pipeline({"train": "tests.unit.ray.works:dying_once"}, ("train",)).run()
    said(caught.value.what)
    assert (caught.value.exit_code, placed.notes()) == (1, ["attempt"])


@pytest.fixture
def _signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Handlers are as before afterward."""
    monkeypatch.setattr(interruption, "_installed", None)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_signals")
def test_a_stop_reaches_the_task(cluster: Any, place: Callable[..., Placed]) -> None:
    """SIGTERM to the run: the stage saves its checkpoint and ends with 75; so does the run; the next one resumes."""
    placed = place(**_ray(cluster))
    run = placed.pipeline(COUNTING, ("train",))
    run.stop.install()

    def ask() -> None:
        until(lambda: len(placed.notes()) > 2, "a step")
        os.kill(os.getpid(), signal.SIGTERM)

    asker = threading.Thread(target=ask)
    asker.start()
    with pytest.raises(Interrupted) as caught:
        run.run()
    asker.join()
    assert caught.value.exit_code == 75
    assert shown(run).states[-1] == ("train", "interrupted")
    progress = StageMarkers(placed.store, placed.session.session_id, "train").progress()
    assert progress
    assert progress.state == "interrupted"
    done = len(placed.notes())
    assert done < STEPS
    placed.pipeline(COUNTING, ("train",)).run()
    assert [note.split()[0] for note in placed.notes()] == [str(step) for step in range(STEPS)]


def test_a_stop_before_a_host_is_free(cluster: Any, place: Callable[..., Placed]) -> None:
    """A stage that no host can take waits in Ray's queue, and is canceled."""
    placed = place(**_ray(cluster), resources={"train": {"cpus": 64}})
    run = placed.pipeline(COUNTING, ("train",))
    asker = threading.Timer(2.0, run.stop.ask)
    asker.start()
    with pytest.raises(Interrupted):
        run.run()
    assert placed.notes() == []


def test_a_lost_host_costs_its_running_stage_alone(cluster: Any, place: Callable[..., Placed]) -> None:
    """SIGKILL of the host's raylet: the stage resumes on another host from its last checkpoint, same result."""
    placed = place(**_ray(cluster))
    nodes = [cluster.add_node(num_cpus=2, object_store_memory=OBJECTS_BYTES, resources={"doomed": 1})]
    run = placed.pipeline(COUNTING, ("convert-a", "train", "convert-b"))
    killed: list[int] = []

    def kill() -> None:
        until(lambda: len(placed.notes()) > 3, "some steps")
        worker = int(placed.notes()[0].split()[1])
        raylet = next(
            node.all_processes["raylet"][0].process.pid
            for node in [*cluster.worker_nodes]
            if node.all_processes["raylet"][0].process.pid == _parent(worker)
        )
        os.kill(raylet, signal.SIGKILL)
        killed.append(worker)

    killer = threading.Thread(target=kill)
    killer.start()
    run.run()
    killer.join()
    assert nodes
    assert sorted(run.computed) == ["convert-a", "convert-b", "train"]
    steps = [int(note.split()[0]) for note in placed.notes()]
    workers = {int(note.split()[1]) for note in placed.notes()}
    assert len(workers) == 2
    assert killed[0] in workers
    assert sorted(set(steps)) == list(range(STEPS))
    assert len(steps) <= STEPS + 1  # the step at work is repeated, no other
    [total] = Path(placed.store.location).glob("artifacts/train/*/attempts/*/output/merged/total")
    assert int(total.read_text()) == sum(range(STEPS)) * placed.session.config.training.seed


def _parent(pid: int) -> int:
    import psutil

    return int(psutil.Process(pid).ppid())


def test_no_cluster_answers(place: Callable[..., Placed]) -> None:
    """The address is named; exit code 4."""
    placed = place(kind="ray", ray={"address": "127.0.0.1:1"})
    with pytest.raises(ServerError) as caught:
        placed.pipeline(names=("train",)).run()
    assert (caught.value.exit_code, "127.0.0.1:1" in caught.value.where) == (4, True)


def test_a_host_that_does_not_see_the_folder(cluster: Any, place: Callable[..., Placed], said: Said) -> None:
    """The store is a folder that one host has not mounted: named before anything starts; exit code 2."""
    placed = place(**_ray(cluster))
    folder = placed.store.local_root
    folder.mkdir(exist_ok=True)
    with _blind_host(cluster.address, folder), said.raised(InputError, where=f"checkpoint_dir = {folder}"):
        placed.pipeline(names=("train",)).run()
    assert list(folder.glob(".tmp-*")) == []


@contextmanager
def _blind_host(address: str, folder: Path) -> Iterator[None]:
    """A host of the cluster with another file system at `folder`."""
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("CANNOT BE TESTED HERE: this user cannot make a mount namespace")
    join = f"{sys.executable} -m ray.scripts.scripts start --block --num-cpus=1 --address={address}"
    script = f"mount -t tmpfs none '{folder}' && exec {join} --object-store-memory={OBJECTS_BYTES}"
    command = ["unshare", "--mount", "--propagation=private", "sh", "-c", script]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        assert process.stdout
        assert any(b"Ray runtime started" in line for line in process.stdout)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)
