"""Anchors in a folder, in a bucket, and in a bucket with object lock; all on real servers."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from tests.servers.minio_server import MinioServer, minio
from tests.unit.gateway.audit.logs import SEGMENT_BYTES, lines_in, make_log, request, rewrite_from
from tests.unit.shared.processes import until
from tests.unit.shared.store.buckets import bucket_store

from so8t_gateway.audit.anchors import Anchors, other_logs, read_anchors
from so8t_gateway.audit.log import AuditLog, Head, Limits
from so8t_gateway.audit.segments import segments_of
from so8t_gateway.audit.verify import log_id, verify
from so8t_gateway.audit.writer import AuditWriter
from so8t_shared.errors import ServerError
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.local import LocalStore
from so8t_shared.store.testing.faulty import Fault, FaultyStore

__all__ = ["minio"]

ROOT = Path(__file__).resolve().parents[4]

HEAD = Head(1, 7, "a" * 64)


@pytest.fixture
def plain(minio: MinioServer, tmp_path: Path) -> ArtifactStore:
    """A bucket without object lock."""
    return bucket_store(minio, minio.new_bucket(), tmp_path / "plain")


@pytest.fixture
def locking(minio: MinioServer, tmp_path: Path) -> ArtifactStore:
    """A bucket with object lock."""
    name = f"locked-{datetime.now(UTC).timestamp():.6f}".replace(".", "-")
    minio.client().make_bucket(name, object_lock=True)
    return bucket_store(minio, name, tmp_path / "locked")


def _bucket(store: ArtifactStore) -> str:
    return store.location.rsplit("/", 1)[1]


def test_anchors_come_back_from_any_store(tmp_path: Path, plain: ArtifactStore, locking: ArtifactStore) -> None:
    """What was written is read, by line; only the bucket with object lock says that it guards it."""
    for store, locks in ((LocalStore(tmp_path / "folder"), False), (plain, False), (locking, True)):
        anchors = Anchors(store, "one")
        assert anchors.put(Head(2, 20, "b" * 64)) is locks
        assert anchors.put(HEAD) is locks
        assert anchors.put(HEAD) is locks
        Anchors(store, "other").put(HEAD)
        assert [(a.n, a.hash, a.fault) for a in read_anchors(store, "one")] == [(7, "a" * 64, ""), (20, "b" * 64, "")]
        assert other_logs(store, "one") == {"other"}


def test_object_lock_keeps_anchors(minio: MinioServer, locking: ArtifactStore) -> None:
    """Root itself cannot remove one before the log's retention is over, nor shorten that."""
    Anchors(locking, "one", timedelta(days=500)).put(HEAD)
    client, bucket = minio.client(), _bucket(locking)
    [found] = client.list_objects(bucket, "audit/", recursive=True, include_version=True)
    with pytest.raises(S3Error):
        client.remove_object(bucket, found.object_name, version_id=found.version_id)
    kept = client.get_object_retention(bucket, found.object_name)
    assert kept.mode == "COMPLIANCE"
    assert timedelta(days=499) < kept.retain_until_date - datetime.now(UTC) < timedelta(days=501)


def test_the_rights_of_the_service_suffice(minio: MinioServer, tmp_path: Path) -> None:
    """With the shipped policy it anchors and reads in either kind of bucket; it cannot delete, or write elsewhere."""
    for locks in (False, True):
        name = f"rights-{locks}-{datetime.now(UTC).timestamp():.6f}".replace(".", "-").lower()
        minio.client().make_bucket(name, object_lock=locks)
        policy = (ROOT / "deploy" / "minio" / "gateway.json").read_text().replace("@BUCKET@", name)
        keys = minio.new_user(name, json.loads(policy)["Statement"])
        store = bucket_store(minio, name, tmp_path / name, keys=keys.write(tmp_path / f"{name}.json"))
        assert Anchors(store, "one").put(HEAD) is locks
        [anchor] = read_anchors(store, "one")
        assert (anchor.n, anchor.fault) == (7, "")
        with pytest.raises(ServerError):
            store.delete(anchor.key)
        with pytest.raises(ServerError):
            store.put_bytes("sessions/x/session.json", b"{}")


def test_a_replaced_or_deleted_anchor_is_named(minio: MinioServer, locking: ArtifactStore) -> None:
    """Whoever may write the bucket can put a version on top, or a mark of deletion: the first version counts."""
    for n in (7, 8, 9):
        Anchors(locking, "one").put(Head(1, n, "a" * 64))
    client, bucket = minio.client(), _bucket(locking)
    keys = sorted(str(each.object_name) for each in client.list_objects(bucket, "audit/", recursive=True))
    locking.put_bytes(keys[0], locking.get_bytes(keys[0]).replace(b"aaaa", b"bbbb"))  # type: ignore[union-attr]
    assert not list(client.remove_objects(bucket, [DeleteObject(keys[1])]))
    found = read_anchors(locking, "one")
    assert [(a.n, a.hash) for a in found] == [(7, "a" * 64), (8, "a" * 64), (9, "a" * 64)]
    assert [bool(a.fault) for a in found] == [True, True, False]
    assert "replaced" in found[0].fault
    assert "deleted" in found[1].fault


def test_an_anchor_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Other bytes, or an anchor of another log under this one's name."""
    store = LocalStore(tmp_path)
    Anchors(store, "two").put(HEAD)
    key = next(iter(store.list("audit/two")))
    store.put_bytes("audit/one/00000001-000000000001.json", b"{")
    store.put_bytes("audit/one/00000001-000000000007.json", store.get_bytes(key) or b"")
    assert [a.fault for a in read_anchors(store, "one")] == ["the anchor cannot be read"] * 2


def test_a_service_anchors_what_it_writes(tmp_path: Path, locking: ArtifactStore) -> None:
    """Every closed file and, at the end, the last line; a rewritten log is then found out at the next anchor."""
    folder = tmp_path / "log"
    log = AuditLog(folder, Limits(segment_bytes=SEGMENT_BYTES))
    writer = AuditWriter(log, sync=False, anchors=Anchors(locking, log.id))
    for number in range(20):
        writer.append(request(number))
    writer.close()
    lines = lines_in(folder)
    anchors = read_anchors(locking, log_id(folder))
    closing = {line.n for _, _, line in lines if line.kind == "close"}
    assert closing | {lines[-1][2].n} <= {anchor.n for anchor in anchors}
    proof = verify(folder, anchors)
    assert (proof.faults, proof.anchored) == ([], lines[-1][2].n)
    rewrite_from(folder, 4)
    assert verify(folder, None).faults == []
    fault = verify(folder, anchors).faults[0]
    assert (fault.kind, fault.n) == ("rewritten", min(n for n in (a.n for a in anchors) if n >= 4))


def test_anchors_are_made_up_for_at_the_next_start(tmp_path: Path) -> None:
    """Files that were closed while no store was there get theirs."""
    folder = make_log(tmp_path / "log")
    store = LocalStore(tmp_path / "store")
    log = AuditLog(folder)
    assert len(Anchors(store, log.id).missing(folder)) == len(segments_of(folder)) - 1
    AuditWriter(log, sync=False, anchors=Anchors(store, log.id)).close()
    assert Anchors(store, log_id(folder)).missing(folder) == []
    assert len(read_anchors(store, log_id(folder))) == len(segments_of(folder))
    assert verify(folder, read_anchors(store, log_id(folder))).faults == []


def test_a_store_that_is_away_delays_no_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Lines are written; the anchors follow when the store is back, and the log says why they did not."""
    caplog.set_level(logging.WARNING)
    away = Fault("put_if_absent", ServerError("away"))
    store = FaultyStore(LocalStore(tmp_path / "store"), [away])
    log = AuditLog(tmp_path / "log", Limits(segment_bytes=SEGMENT_BYTES))
    writer = AuditWriter(log, sync=False, anchors=Anchors(store, log.id), anchor_s=0.05)
    for number in range(20):
        writer.append(request(number))
    until(lambda: away.met > 2, "tries")
    assert "away" in caplog.text
    store.fail_on.clear()
    until(lambda: len(read_anchors(store, log.id)) > 2, "anchors")
    writer.close()
    assert verify(tmp_path / "log", read_anchors(store, log_id(tmp_path / "log"))).faults == []


def test_no_fault_ends_the_anchoring(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a store raises, the next round tries again, and the log says that one failed, without its text."""
    inner = LocalStore(tmp_path / "store")
    store = FaultyStore(inner, [Fault("put_if_absent", RuntimeError("a secret"), times=1)])
    log = AuditLog(tmp_path / "log")
    writer = AuditWriter(log, sync=False, anchors=Anchors(store, log.id), anchor_s=0.05)
    until(lambda: read_anchors(inner, log.id), "an anchor")
    writer.close()
    assert "RuntimeError" in caplog.text
    assert "a secret" not in caplog.text


def test_two_logs_never_share_an_anchor(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A log that was put back to an older state and went on otherwise is told: the store knows another line."""
    anchors = Anchors(LocalStore(tmp_path), "one")
    anchors.put(HEAD)
    anchors.put(Head(1, 7, "b" * 64))
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert read_anchors(LocalStore(tmp_path), "one")[0].hash == "a" * 64
