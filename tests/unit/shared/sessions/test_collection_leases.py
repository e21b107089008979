"""Removing no artifact whose lease somebody holds, and every one whose holder is gone."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from tests.unit.shared.material import held, put_lease
from tests.unit.shared.processes import kill, running, until

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.leases.lease import acquire
from so8t_shared.sessions.collection import collect, list_artifacts
from so8t_shared.store.local import LocalStore


def test_what_is_in_work_stays(store: LocalStore) -> None:
    """An artifact that a living process holds is left alone; after its death it goes."""
    artifact = Artifact(store, "train", "0" * 64)

    def hold() -> None:
        acquire(LocalStore(Path(store.location)), artifact.lease_key)
        time.sleep(1000)

    with running(hold) as holder:
        until(lambda: store.stat(artifact.lease_key), "the lease")
        assert collect(store, keep_sessions=1, delete=True).artifacts == []
        kill(holder)
    assert [i.artifact.fingerprint for i in collect(store, keep_sessions=1, delete=True).artifacts] == ["0" * 64]
    assert [p.name for p in Path(store.location).iterdir()] == [".local"]


def test_given_back_is_not_in_work(store: LocalStore) -> None:
    """A lease that was released protects nothing."""
    artifact = Artifact(store, "train", "0" * 64)
    with held(store, artifact.lease_key):
        assert collect(store, keep_sessions=1, delete=True).artifacts == []
    assert len(collect(store, keep_sessions=1, delete=True).artifacts) == 1


@pytest.mark.parametrize("delete", [False, True])
def test_what_a_killed_container_left_goes(store: LocalStore, delete: bool) -> None:
    """Leases that nobody here can know of are watched, all at once, for their time; then they count no more."""
    artifacts = [Artifact(store, "train", f"{number}" * 64) for number in range(3)]
    for artifact in artifacts:
        store.put_bytes(f"{artifact.prefix}/attempts/0001/checkpoints/step-1/files/w", b"w")
        put_lease(store, artifact.lease_key, ttl_s=0.4)
    told: list[int] = []
    began = time.monotonic()
    doomed = collect(store, keep_sessions=1, delete=delete, on_wait=told.append, poll_s=0.05).artifacts
    assert time.monotonic() - began >= 0.4
    assert told == [3]
    assert {i.artifact.fingerprint for i in doomed} == {a.fingerprint for a in artifacts}
    assert len(list_artifacts(store)) == (0 if delete else 3)


def test_what_another_host_works_on_stays(store: LocalStore) -> None:
    """A holder that is heard of once while it is watched keeps its artifact, however old its first word looks."""
    artifact = Artifact(store, "train", "0" * 64)
    put_lease(store, artifact.lease_key, ttl_s=60)
    heard = threading.Event()

    def beat(leases: int) -> None:
        put_lease(store, artifact.lease_key, heartbeat="2020", ttl_s=60)
        heard.set()

    assert collect(store, keep_sessions=1, delete=True, on_wait=beat, poll_s=0.05).artifacts == []
    assert heard.is_set()
    assert [item.artifact.fingerprint for item in list_artifacts(store)] == [artifact.fingerprint]


def test_a_newer_programs_work_stays(store: LocalStore) -> None:
    """A lease that cannot be read because it is of a newer program protects its artifact."""
    artifact = Artifact(store, "train", "0" * 64)
    store.put_bytes(artifact.lease_key, b'{"schema_version": 99}')
    assert collect(store, keep_sessions=1, delete=True).artifacts == []
    assert [item.artifact.fingerprint for item in list_artifacts(store)] == [artifact.fingerprint]
