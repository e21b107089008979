"""Writing a log: segments, one writer, deletion by age."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.gateway.audit.logs import SEGMENT_BYTES, kinds_in, lines_in, make_log, request
from tests.unit.shared.processes import kill, running, until

from so8t_gateway.audit.line import Entry
from so8t_gateway.audit.log import AuditLog, Limits
from so8t_gateway.audit.requests import leave_request
from so8t_gateway.audit.segments import segments_of
from so8t_gateway.audit.verify import verify
from so8t_gateway.audit.writer import AuditWriter
from so8t_shared.errors import InputError, IntegrityError, StorageError

DAY_S = 86_400.0


def test_a_segment_is_closed_by_its_size(tmp_path: Path) -> None:
    """Each file opens with its number and ends with its count; the chain runs through all of them."""
    folder = make_log(tmp_path / "log", erased="")
    lines = lines_in(folder)
    for number in range(1, lines[-1][0]):
        first, *_, last = [line for segment, _, line in lines if segment == number]
        assert (first.kind, first.facts["segment"], last.kind) == ("open", number, "close")
        assert last.facts["count"] == last.n - first.n
        assert last.facts["last_hash"] == last.prev
        assert SEGMENT_BYTES <= segments_of(folder)[number - 1].path.stat().st_size < 2 * SEGMENT_BYTES
    assert [line.n for _, _, line in lines] == list(range(1, len(lines) + 1))


def test_a_segment_is_closed_by_its_age(tmp_path: Path) -> None:
    """One with requests is closed when its time is over, an empty one never; also if the service was started since."""
    now = [1_800_000_000.0]
    limits = Limits(segment_s=60)
    log = AuditLog(tmp_path, limits, lambda: now[0])
    now[0] += 100
    log.close_if_due()
    assert log.head.segment == 1
    log.append([request(1)])
    log.close()
    log = AuditLog(tmp_path, limits, lambda: now[0])
    log.close_if_due()
    assert log.head.segment == 2
    log.close()
    assert kinds_in(tmp_path) == ["open", "request", "close", "open"]
    assert verify(tmp_path, None).faults == []


def test_only_its_owner_may_read_a_log(tmp_path: Path) -> None:
    """Nobody else may list the folder or read a file of it."""
    folder = make_log(tmp_path / "log")
    assert {oct(path.stat().st_mode & 0o777) for path in folder.glob("*.jsonl")} == {"0o600"}
    assert oct(folder.stat().st_mode & 0o777) == "0o700"


def test_one_process_writes(tmp_path: Path, said: Said) -> None:
    """A second one is told; once the first is gone, however it ended, the log is free."""

    def hold() -> None:
        log = AuditLog(tmp_path)
        (tmp_path / "open").touch()
        until(lambda: not log, "never")

    with running(hold) as process:
        until((tmp_path / "open").exists, "the other process")
        with said.raised(InputError, where=str(tmp_path)):
            AuditLog(tmp_path)
        kill(process)
    AuditLog(tmp_path).close()


def test_a_damaged_end_is_not_continued(tmp_path: Path, said: Said) -> None:
    """A log whose last file was changed is left as it is: exit code 5."""
    folder = make_log(tmp_path / "log")
    last = segments_of(folder)[-1].path
    data = last.read_bytes().replace(b"ALLOW", b"REFUSE", 1)
    last.write_bytes(data)
    with said.raised(IntegrityError, where=str(last)):
        AuditLog(folder)
    assert last.read_bytes() == data
    last.write_bytes(b"")
    segments_of(folder)[-2].path.write_bytes(b"")
    with pytest.raises(IntegrityError):
        AuditLog(folder)


def test_old_segments_are_deleted_with_a_record(tmp_path: Path) -> None:
    """Closed files older than the retention go, oldest first; what is left still proves itself, and says what went."""
    now = [1_800_000_000.0]
    limits = Limits(segment_s=DAY_S, retention_s=3 * DAY_S)
    log = AuditLog(tmp_path, limits, lambda: now[0])
    for day in range(8):
        log.append([request(day, f"u{day % 2}")])
        now[0] += DAY_S
    log.close_if_due()
    log.erase({"u1"})
    assert log.retire() == [1, 2, 3, 4]
    assert log.retire() == []
    log.close()
    proof = verify(tmp_path, None)
    assert (proof.faults, proof.first) == ([], 13)
    assert [s.number for s in segments_of(tmp_path)] == [5, 6, 7, 8, 9]
    shutil.copytree(tmp_path, tmp_path / "less")
    segments_of(tmp_path / "less")[0].path.unlink()
    [fault] = verify(tmp_path / "less", None).faults
    assert (fault.kind, fault.segment, fault.line) == ("missing", "00000006.jsonl", 1)


def test_a_damaged_segment_is_not_deleted(tmp_path: Path, said: Said) -> None:
    """It is evidence, however old; the housekeeping names it and goes on with all else."""
    folder = make_log(tmp_path / "log", erased="")
    first = segments_of(folder)[0].path
    first.write_bytes(b"x" + first.read_bytes())
    old = Limits(SEGMENT_BYTES, retention_s=0.0)
    log = AuditLog(folder, old, lambda: time.time() + DAY_S)
    with said.raised(IntegrityError, where=str(first)):
        log.retire()
    log.close()
    writer = AuditWriter(AuditLog(folder, old, lambda: time.time() + DAY_S), sync=False, anchors=None)
    try:
        asked = leave_request(folder, {"u1"})
        until(lambda: not asked.exists(), "the erasure")
    finally:
        writer.close()
    assert first.is_file()


def test_a_link_is_not_followed(tmp_path: Path, said: Said) -> None:
    """Whoever could put a link in the place of a file of the log cannot have another file emptied by it."""
    victim = tmp_path / "victim"
    victim.write_text("precious, and without a line feed")
    folder = tmp_path / "log"
    folder.mkdir()
    (folder / "00000001.jsonl").symlink_to(victim)
    with said.raised(StorageError):
        AuditLog(folder)
    assert victim.read_text() == "precious, and without a line feed"


def test_a_deletion_that_a_crash_interrupted(tmp_path: Path) -> None:
    """A file whose deletion is recorded but not done is deleted by the next one; both states prove themselves."""
    now = [1_800_000_000.0]
    log = AuditLog(tmp_path, Limits(segment_s=60, retention_s=60), lambda: now[0])
    log.append([request(1)])
    now[0] += 61
    log.append([request(2)])
    old = segments_of(tmp_path)[0].path
    kept = old.read_bytes()
    now[0] += 61
    assert log.retire() == [1]
    old.write_bytes(kept)
    assert verify(tmp_path, None).faults == []
    now[0] += 62
    assert log.retire() == [1, 2]
    log.close()
    assert verify(tmp_path, None).faults == []


def test_a_line_says_nothing_twice(tmp_path: Path) -> None:
    """Two equal requests have different salts and hashes."""
    log = AuditLog(tmp_path)
    one, two = log.append([Entry("request", {}, {"user": "u"}), Entry("request", {}, {"user": "u"})])
    log.close()
    assert one.salt != two.salt
    assert one.person_sha256 != two.person_sha256
