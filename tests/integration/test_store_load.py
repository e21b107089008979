"""Hosts that share a bucket keep the contract's promises, and a session's commands do not pay for other sessions."""

from __future__ import annotations

from pathlib import Path

from tests.integration.counted_bucket import Network
from tests.integration.store_growth import (
    AGAIN,
    COLLECT,
    LOOK,
    PLAN_DONE,
    PLAN_NEW,
    RUN,
    STATUS,
    STATUS_ALL,
    growth,
)
from tests.integration.store_load import Host, Load, check, notice_s, simulate
from tests.servers.minio_server import MinioServer


def test_promises_are_kept_under_load(minio: MinioServer, tmp_path: Path) -> None:
    """With losses, wrong clocks and rivals: nothing is computed twice, nothing committed in part, all is noticed."""
    load = Load(sessions=8, hosts=8, network=Network(0.002, 0.02), work_s=(0.0, 0.3), rivals=0.5)
    bucket = minio.new_bucket()
    report = simulate(minio, bucket, tmp_path, load)
    broken = check(Host(minio, bucket, tmp_path / "checker", 0, load).store, report, load.sessions)
    assert broken.total == 0, broken
    assert report.lost > 0
    assert len(report.visits) > 2 * load.sessions
    assert notice_s(report)


def test_a_session_does_not_pay_for_others(minio: MinioServer, tmp_path: Path) -> None:
    """Run, plan and status cost the same requests beside 17 and 22 sessions; gc grows with the sessions alone."""
    few, more = (growth(minio, tmp_path / str(size), size) for size in (17, 22))
    for command in (RUN, AGAIN, PLAN_DONE, PLAN_NEW, STATUS):
        assert few[command] == more[command], command.label
    assert few[STATUS].total() <= 23
    assert few[PLAN_DONE].total() <= 8
    assert few[RUN].total() <= 100
    for command, per_session in ((STATUS_ALL, 23), (LOOK, 20), (COLLECT, 95)):
        assert more[command].total() - few[command].total() <= 5 * per_session, command.label


def test_the_check_finds_a_fault(minio: MinioServer, tmp_path: Path) -> None:
    """The simulation's own check counts a file that is gone from a committed artifact."""
    load = Load(1, 3, processes=1, work_s=(0.0, 0.0))
    bucket = minio.new_bucket()
    report = simulate(minio, bucket, tmp_path, load)
    store = Host(minio, bucket, tmp_path / "checker", 0, load).store
    store.delete(next(key for key in store.list("artifacts") if key.endswith("/data")))
    assert check(store, report, 1).incomplete == 1
