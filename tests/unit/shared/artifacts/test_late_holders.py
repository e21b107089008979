"""A holder that is suspended beyond its lease and wakes up harms nothing that its successor made."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.servers.minio_server import MinioServer, minio
from tests.unit.shared.material import held, write
from tests.unit.shared.processes import exit_code, running, until
from tests.unit.shared.store.buckets import bucket_store

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.attempts import Attempt
from so8t_shared.artifacts.checkpoints import Checkpoints
from so8t_shared.errors import LeaseLost
from so8t_shared.leases.lease import Lease, acquire
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.local import LocalStore
from so8t_shared.store.testing.faulty import Call, Fault, FaultyStore

__all__ = ["minio"]

TTL_S = 1.5
FILES = {"a": b"one", "b/c": b"two"}
Late = Callable[[Artifact, Lease], object]


def _stop(_: Call) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _withdraw(artifact: Artifact, lease: Lease) -> None:
    artifact.reusable(lease)


def _drop(artifact: Artifact, lease: Lease) -> None:
    Checkpoints(Attempt.begin(artifact), lease).drop("step")


CASES = [
    pytest.param(Fault("compare_and_put", _stop, key="*/manifest.json"), _withdraw, id="withdrawing a manifest"),
    pytest.param(Fault("delete", _stop, key="*/attempts/*", times=1), _withdraw, id="removing its files"),
    pytest.param(Fault("delete", _stop, key="*/checkpoints/*", times=1), _drop, id="dropping a checkpoint"),
]


@pytest.fixture(params=["folder", "bucket"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], ArtifactStore]:
    """Opens the same store in any process: a folder, and a bucket of a real server."""
    if request.param == "folder":
        return lambda: LocalStore(tmp_path / "store")
    server: MinioServer = request.getfixturevalue("minio")
    bucket = server.new_bucket()
    return lambda: bucket_store(server, bucket, tmp_path / f"local-{os.getpid()}")


@pytest.mark.parametrize(("fault", "late"), CASES)
def test_nothing_of_the_successor_is_lost(
    make_store: Callable[[], ArtifactStore], tmp_path: Path, fault: Fault, late: Late
) -> None:
    """Stopped right before a write or a deletion, and continued after its successor's commit."""
    store = make_store()
    artifact = Artifact(store, "train", "f" * 64)
    with held(store, artifact.lease_key) as lease:
        attempt = Attempt.begin(artifact)
        Checkpoints(attempt, lease).save("step", write(tmp_path / "step", FILES))
        manifest = attempt.commit(write(tmp_path / "out", FILES), {}, lease)
        store.put_bytes(artifact.key_of(manifest.files[0]), b"damaged")

    def hold() -> None:
        stopping = Artifact(FaultyStore(make_store(), [fault]), "train", "f" * 64)
        lease = acquire(stopping.store, stopping.lease_key, ttl_s=TTL_S, poll_s=0.05)
        assert isinstance(lease, Lease)
        try:
            late(stopping, lease)
        except LeaseLost:
            os._exit(42)

    with running(hold) as holder:
        assert holder.pid is not None
        until(lambda: _is_stopped(holder.pid or 0), "the stop of the first holder")
        with held(store, artifact.lease_key) as lease:
            artifact.reusable(lease)
            attempt = Attempt.begin(artifact)
            checkpoints = Checkpoints(attempt, lease)
            checkpoints.save("step", write(tmp_path / "step again", FILES))
            committed = attempt.commit(write(tmp_path / "again", FILES), {}, lease)
            os.kill(holder.pid, signal.SIGCONT)
            assert exit_code(holder) == 42
            lease.confirm()
            assert artifact.inspect() == (committed, "")
            assert checkpoints.names() == ["step"]
            assert (checkpoints.load("step") / "a").read_bytes() == b"one"


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
