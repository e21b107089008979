"""One user's lines: found, erased, and still part of the proof."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from tests.unit.gateway.audit.logs import SEGMENT_BYTES, anchors_of, lines_in, make_log, request
from tests.unit.shared.processes import kill_self, start, until

from so8t_gateway.audit.erasure import lines_of, ranges
from so8t_gateway.audit.keys import AuditKey
from so8t_gateway.audit.line import Line
from so8t_gateway.audit.log import AuditLog, Limits
from so8t_gateway.audit.requests import Requests, leave_request
from so8t_gateway.audit.segments import segments_of
from so8t_gateway.audit.verify import verify
from so8t_gateway.audit.writer import AuditWriter
from so8t_shared.canonical import digest

KEY = AuditKey(b"k" * 32)


def _log_of_people(folder: Path) -> Path:
    log = AuditLog(folder, Limits(segment_bytes=SEGMENT_BYTES))
    for number in range(24):
        log.append([request(number, KEY.user(f"person {number % 4}"))])
    log.close()
    return folder


def test_erasing_changes_no_hash(tmp_path: Path) -> None:
    """The user's lines lose what leads to the user and keep what was decided; all else stays byte for byte."""
    folder = _log_of_people(tmp_path / "log")
    before = lines_in(folder)
    anchors = anchors_of(folder, *range(1, len(before) + 1))
    user = KEY.user("person 2")
    log = AuditLog(folder)
    assert log.erase({user}) == 6
    assert log.erase({user}) == 0
    log.close()
    after = lines_in(folder)
    assert [line.hash for _, _, line in after[: len(before)]] == [line.hash for _, _, line in before]
    for (_, _, old), (_, _, new) in zip(before, after, strict=False):
        gone = old.person is not None and old.person["user"] == user
        assert new == (old.without_person() if gone else old)
    assert sum(line.erased for _, _, line in after) == 6
    proof = verify(folder, anchors)
    assert (proof.faults, proof.erased) == ([], 6)


def test_nothing_of_the_user_is_left(tmp_path: Path) -> None:
    """Neither the keyed hash nor a request's id stays anywhere in the folder, nor does the record name the user."""
    folder = _log_of_people(tmp_path / "log")
    user = KEY.user("person 1")
    salts = [line.salt for _, line in lines_of(folder, {user})]
    log = AuditLog(folder)
    log.erase({user})
    log.close()
    everything = b"".join(path.read_bytes() for path in folder.iterdir())
    for secret in (user, '"r1"', '"r21"', *salts):
        assert secret.encode() not in everything
    assert lines_of(folder, {user}) == []


def test_an_erased_line_cannot_be_tested_for_a_user(tmp_path: Path) -> None:
    """Even with the key and every field guessed right, the hash that stays is not found without the salt."""
    folder = _log_of_people(tmp_path / "log")
    user = KEY.user("person 3")
    [(_, line), *_] = lines_of(folder, {user})
    assert line.person_sha256 == digest([line.salt, line.person])  # with the salt, it is
    guesses = [line.person, [line.person], ["", line.person], [None, line.person], [line.hash, line.person]]
    others = [[other.salt, line.person] for _, _, other in lines_in(folder) if other.salt != line.salt]
    assert line.person_sha256 not in {digest(guess) for guess in [*guesses, *others]}
    assert len(line.salt) == 32  # 128 bits: nobody tries them all
    again = Line.after(line.n - 1, line.prev, request(3, user))
    assert again.person == line.person
    assert again.person_sha256 != line.person_sha256


def test_a_user_cannot_be_found_without_the_key(tmp_path: Path) -> None:
    """The hash under another key finds nobody."""
    folder = _log_of_people(tmp_path / "log")
    assert lines_of(folder, {AuditKey(b"x" * 32).user("person 1")}) == []
    assert len(lines_of(folder, {KEY.user("person 1")})) == 6


def test_the_log_goes_on_after_an_erasure_in_the_growing_file(tmp_path: Path) -> None:
    """The writer continues in the file that took the old one's place."""
    log = AuditLog(tmp_path)
    for number in range(5):
        log.append([request(number, "u")])
        log.erase({"u"})
    log.append([request(9, "v")])
    log.close()
    proof = verify(tmp_path, None)
    assert (proof.faults, proof.requests, proof.erased, proof.segments) == ([], 6, 5, 1)


def test_a_killed_erasure_is_finished_at_the_next_start(tmp_path: Path) -> None:
    """The process dies between record and erasure: the proof names the lines, and the request that is left ends it."""
    folder = _log_of_people(tmp_path / "log")
    user = KEY.user("person 1")
    leave_request(folder, {user})

    def die(monkey: list[int]) -> None:
        import so8t_gateway.audit.log as module

        real = module.rewrite

        def rewrite(segment: object, numbers: set[int]) -> None:
            if len(monkey) == 2:
                kill_self()
            monkey.append(1)
            real(segment, numbers)  # type: ignore[arg-type]

        module.rewrite = rewrite
        AuditWriter(AuditLog(folder), sync=False, anchors=None)
        until(lambda: False, "the end")

    process = start(lambda: die([]))
    process.join()
    assert process.exitcode == -9
    assert {fault.kind for fault in verify(folder, None).faults} == {"not erased"}
    writer = AuditWriter(AuditLog(folder), sync=False, anchors=None)
    until(lambda: not list(folder.glob("erase-*")), "the erasure")
    writer.close()
    proof = verify(folder, None)
    assert (proof.faults, proof.erased) == ([], 6)


def test_a_running_service_erases_on_request(tmp_path: Path) -> None:
    """It goes on recording meanwhile; what is no request stays and harms nothing."""
    folder = tmp_path / "log"
    writer = AuditWriter(AuditLog(folder), sync=False, anchors=None)
    writer.append(request(1, "u"))
    (folder / "erase-0.json").write_text("{")
    path = leave_request(folder, {"u"})
    assert json.loads(path.read_text()) == ["u"]
    for number in itertools.count(2):
        writer.append(request(number, "v"))
        if not path.exists():
            break
    writer.close()
    proof = verify(folder, None)
    assert (proof.faults, proof.erased, proof.requests) == ([], 1, number)


def test_what_is_no_request_is_named_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Again only after it was changed."""
    log, requests, strange = AuditLog(tmp_path), Requests(), tmp_path / "erase-0.json"
    told = []
    for content in ("{", None, "[", None, None):
        if content:
            strange.write_text(content)
        requests.answer(log)
        told.append(caplog.text.count(strange.name))
    log.close()
    assert told == [1, 1, 2, 2, 2]


def test_what_is_no_request_stops_nothing(tmp_path: Path) -> None:
    """A file or folder that only looks like a request is left alone, and requests behind it are answered."""
    folder = _log_of_people(tmp_path / "log")
    for number, content in enumerate(["5", "null", '{"a": 1}', "[1]", "[" * 100_000, "\ud83d"]):
        (folder / f"erase-{number}.json").write_text(content, "utf-8", "surrogatepass")
    (folder / "erase-7.json").mkdir()
    writer = AuditWriter(AuditLog(folder), sync=False, anchors=None)
    try:
        asked = leave_request(folder, {KEY.user("person 3")})
        until(lambda: not asked.exists(), "the erasure")
    finally:
        writer.close()
    assert len(list(folder.glob("erase-*"))) == 7
    assert verify(folder, None).erased == 6


def test_ranges() -> None:
    """Runs of numbers, as they are recorded."""
    assert ranges([]) == []
    assert ranges([4]) == [[4, 4]]
    assert ranges([1, 2, 3, 7, 9, 10]) == [[1, 3], [7, 7], [9, 10]]


def test_many_erased_lines_are_recorded_in_lines_of_bounded_length(tmp_path: Path) -> None:
    """A thousand runs per record."""
    log = AuditLog(tmp_path)
    log.append([request(number, f"u{number % 2}") for number in range(2600)])
    log.erase({"u1"})
    log.close()
    records = [line for _, _, line in lines_in(tmp_path) if line.kind == "erased"]
    assert [line.facts["count"] for line in records] == [1000, 300]
    assert max(len(data) for segment in segments_of(tmp_path) for data in segment.lines()) < 20_000
    assert verify(tmp_path, None).faults == []


def test_make_log_is_what_the_other_tests_take_it_for(tmp_path: Path) -> None:
    """Its middle has an erasure."""
    assert "erased" in {line.kind for _, _, line in lines_in(make_log(tmp_path / "log"))}
