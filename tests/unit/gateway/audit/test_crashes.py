"""What a crash or a full disk leaves of a log: every line that was acknowledged, and a chain that goes on."""

from __future__ import annotations

import os
import random
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from tests.unit.gateway.audit.logs import SEGMENT_BYTES, kinds_in, lines_in, make_log, request
from tests.unit.shared.namespaces import run_on_small_disk
from tests.unit.shared.processes import kill, kill_self, start

from so8t_gateway.audit.log import AuditLog, Limits
from so8t_gateway.audit.segments import segments_of
from so8t_gateway.audit.verify import verify
from so8t_gateway.audit.writer import AuditWriter

SMALL = Limits(segment_bytes=SEGMENT_BYTES)


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
    assert kinds_in(first) == ["open"]


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
        assert kinds_in(folder) == ["open", "request", "torn"]
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
