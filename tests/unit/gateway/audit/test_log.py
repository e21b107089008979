"""Writing a log: segments, crashes, a full disk, deletion by age."""

from __future__ import annotations

import os
import random
import shutil
import time
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.gateway.audit.logs import SEGMENT_BYTES, lines_in, make_log, request
from tests.unit.shared.namespaces import run_on_small_disk
from tests.unit.shared.processes import kill, kill_self, running, start, until

from so8t_gateway.audit.line import Entry
from so8t_gateway.audit.log import AuditLog, Limits
from so8t_gateway.audit.requests import leave_request
from so8t_gateway.audit.segments import segments_of
from so8t_gateway.audit.verify import verify
from so8t_gateway.audit.writer import AuditWriter
from so8t_shared.errors import InputError, IntegrityError, StorageError

SMALL = Limits(segment_bytes=SEGMENT_BYTES)
DAY_S = 86_400.0


def _kinds(folder: Path) -> list[str]:
    return [line.kind for _, _, line in lines_in(folder)]


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
    assert _kinds(tmp_path) == ["open", "request", "close", "open"]
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


def test_a_torn_line_is_recorded(tmp_path: Path) -> None:
    """Wherever the last line was cut, the next start replaces its rest by a line about it, and the chain goes on."""
    folder = tmp_path / "whole"
    log = AuditLog(folder)
    log.append([request(1)])
    log.append([request(2)])
    log.close()
    whole = segments_of(folder)[0].path.read_bytes()
    start_of_last = whole.rindex(b"\n", 0, -1) + 1
    for length in range(start_of_last + 1, len(whole), 7):
        copy = tmp_path / str(length)
        copy.mkdir()
        (copy / "00000001.jsonl").write_bytes(whole[:length])
        log = AuditLog(copy)
        log.append([request(3)])
        log.close()
        lines = [line for _, _, line in lines_in(copy)]
        assert [line.kind for line in lines] == ["open", "request", "torn", "request"]
        assert lines[2].facts["bytes"] == length - start_of_last
        assert verify(copy, None).faults == []


@pytest.mark.parametrize("rest", [b"", b'{"facts":{"format"'])
def test_a_crash_at_the_start_of_a_file(tmp_path: Path, rest: bytes) -> None:
    """A file without a whole line is begun again, where the file before it ended."""
    folder = make_log(tmp_path / "log")
    segments = segments_of(folder)
    segments[-1].path.write_bytes(rest)
    log = AuditLog(folder)
    assert log.head.segment == segments[-1].number
    log.append([request(99)])
    log.close()
    assert verify(folder, None).faults == []
    first = tmp_path / "first"
    first.mkdir()
    (first / "00000001.jsonl").write_bytes(rest)
    AuditLog(first).close()
    assert _kinds(first) == ["open"]


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


def _write_until_killed(folder: Path, told: Connection, sync: bool) -> None:
    writer = AuditWriter(AuditLog(folder, SMALL), sync=sync, anchors=None)
    for number in range(10**6):
        told.send(writer.append(request(number)).n)


@pytest.mark.parametrize("sync", [False, True], ids=["kernel", "disk"])
def test_sigkill_loses_no_line_that_was_acknowledged(tmp_path: Path, sync: bool) -> None:
    """Killed at any moment, many times: each line that an answer waited for is there, and the chain is whole."""
    chance = random.Random(7)
    acknowledged = 0
    for _ in range(12):
        reading, writing = Pipe(duplex=False)
        process = start(lambda told=writing: _write_until_killed(tmp_path, told, sync))
        writing.close()
        for _ in range(chance.randrange(1, 40)):
            acknowledged = reading.recv()
        kill(process)
        while reading.poll():
            try:
                acknowledged = reading.recv()
            except EOFError:
                break
        proof = verify(tmp_path, None)
        assert proof.faults == []
        assert proof.last >= acknowledged
    assert proof.segments > 3


def test_sigkill_in_the_middle_of_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies while half a line is written leaves a log that says so and goes on."""
    for place in range(1, 300, 30):
        folder = tmp_path / str(place)

        def die_halfway(folder: Path = folder, place: int = place) -> None:
            log = AuditLog(folder, SMALL)
            log.append([request(1)])

            def half(handle: int, data: bytes, offset: int) -> None:
                os.pwrite(handle, data[:place], offset)
                kill_self()

            monkeypatch.setattr("so8t_gateway.audit.log.write_at", half)
            log.append([request(2), request(3)])

        kill_it = start(die_halfway)
        kill_it.join()
        assert kill_it.exitcode == -9
        assert [fault.kind for fault in verify(folder, None).faults] == ["torn"]
        AuditLog(folder).close()
        assert _kinds(folder) == ["open", "request", "torn"]
        assert verify(folder, None).faults == []


def test_a_full_disk_leaves_the_log_whole(tmp_path: Path) -> None:
    """The line that does not fit raises a StorageError and leaves nothing; with room again, the chain goes on."""
    code = """
        from so8t_gateway.audit.line import Entry
        from so8t_gateway.audit.log import AuditLog, Limits
        from so8t_gateway.audit.verify import verify
        from so8t_shared.errors import StorageError
        filler = folder / "filler"
        log = AuditLog(folder / "log", Limits(segment_bytes=20_000))
        filler.write_bytes(b"x" * 900_000)
        written = 0
        try:
            while True:
                log.append([Entry("request", {"i": written, "x": "y" * 900}, {"user": "u"})])
                written += 1
        except StorageError as error:
            print(error.what)
        assert written > 50
        for _ in range(3):
            try:
                log.append([Entry("request", {"x": "y" * 30_000})])
            except StorageError:
                pass
        filler.unlink()
        for number in range(60):
            log.append([Entry("request", {"i": number, "x": "y" * 900}, {"user": "u"})])
        log.close()
        proof = verify(folder / "log", None)
        print(proof.faults, proof.requests == written + 60)
    """
    assert run_on_small_disk(tmp_path, code) == "The disk is full.\n[] True\n"


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
