"""`so8t-ab audit`."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.gateway.audit.logs import SEGMENT_BYTES, rewrite_from
from tests.unit.shared.cli.conftest import Cli, Done
from tests.unit.shared.processes import running, until

from so8t_gateway.audit.anchors import Anchors
from so8t_gateway.audit.keys import AUDIT_KEY_VARIABLE, AuditKey
from so8t_gateway.audit.line import Entry
from so8t_gateway.audit.log import AuditLog, Limits
from so8t_gateway.audit.segments import segments_of
from so8t_gateway.audit.writer import AuditWriter
from so8t_shared.results.audit import AuditFound, AuditProof
from so8t_shared.store.local import LocalStore

KEY = "5e" * 32
TIME = "2026-11-30T01:02:03.456Z"

Audit = Callable[..., Done]


@pytest.fixture
def audit(cli: Cli, config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    """Call `so8t-ab audit` for a log in tmp_path, anchored in a store beside it."""
    monkeypatch.setenv(AUDIT_KEY_VARIABLE, KEY)
    monkeypatch.setenv("TZ", "UTC")
    values = {"think.audit.folder": tmp_path / "log", "checkpoint_dir": tmp_path / "store"}
    sets = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
    return lambda command, *rest: cli("audit", command, "-c", config_file, *sets, *rest)


def _user(number: int, key: str = KEY) -> str:
    return AuditKey(bytes.fromhex(key)).user(f"person {number}")


def _entry(number: int, user: str) -> Entry:
    facts = {"class": "DENY", "reason": "timeout" if number else "", "time": TIME}
    return Entry("request", facts, {"request": f"r{number}", "user": user})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A log of two users."""
    log = AuditLog(tmp_path / "log", Limits(segment_bytes=SEGMENT_BYTES))
    writer = AuditWriter(log, sync=False, anchors=Anchors(LocalStore(tmp_path / "store"), log.id))
    for number in range(6):
        writer.append(_entry(number, _user(number % 2)))
    writer.close()
    return tmp_path / "log"


def test_a_whole_log(audit: Audit, folder: Path, said: Said) -> None:
    """Exit code 0; what was proven, and how far the anchors reach."""
    done = audit("verify")
    assert (done.code, done.err) == (0, "")
    proof = AuditProof.from_bytes(audit("verify", "--json").out, "stdout")
    assert (proof.faults, proof.requests, proof.anchored) == ([], 6, proof.last)
    said(done.out, log=proof.log)


def test_a_changed_log(audit: Audit, folder: Path, said: Said) -> None:
    """Exit code 5; each fault with file and line; so too as JSON."""
    path = segments_of(folder)[0].path
    path.write_bytes(path.read_bytes().replace(b"DENY", b"ALOW", 1))
    done = audit("verify")
    assert done.code == 5
    printed = audit("verify", "--json")
    proof = AuditProof.from_bytes(printed.out, "stdout")
    assert (printed.code, proof.faults[0].kind, proof.faults[0].line) == (5, "changed", 2)
    said(done.out + done.err, log=proof.log)


def test_a_rewritten_log(audit: Audit, folder: Path, said: Said) -> None:
    """Found by its anchors; without them nobody could tell, which is said."""
    rewrite_from(folder, 3)
    assert audit("verify").code == 5
    done = audit("verify", "--no-anchors")
    assert done.code == 0
    said(done.err)
    assert audit("verify", "--set", "think.audit.anchor=false").code == 0


def test_lines_without_an_anchor(audit: Audit, folder: Path, tmp_path: Path, said: Said) -> None:
    """A note says from where on a cut would go unnoticed; another log in the store is named."""
    log = AuditLog(folder)
    log.append([_entry(9, "x")])
    log.close()
    Anchors(LocalStore(tmp_path / "store"), "other").put(log.head)
    done = audit("verify")
    assert done.code == 0
    said(done.err)


def test_find_and_erase(audit: Audit, folder: Path, said: Said) -> None:
    """One user's lines are listed, erased, and gone; the log still proves itself."""
    done = audit("find", "--user", "person 1")
    assert done.code == 0
    said(done.out)
    found = AuditFound.from_bytes(audit("find", "--user", "person 1", "--json").out, "stdout")
    assert [line.facts["time"] for line in found.lines] == [TIME] * 3
    assert audit("erase", "--user", "person 1").out == "erased: 3 lines\n"
    assert audit("find", "--user", "person 1").out == "0 lines\n"
    assert audit("erase", "--user", "nobody").out == "erased: 0 lines\n"
    assert audit("find", "--user", "person 0").out.endswith("3 lines\n")
    assert audit("verify").code == 0
    assert not list(folder.glob("erase-*"))


def test_damaged_lines_may_be_anyones(audit: Audit, folder: Path, said: Said) -> None:
    """What can be read is found and erased; the rest is named, with exit code 5, and stays as it is."""
    first = segments_of(folder)[0].path
    lines = first.read_bytes().split(b"\n")
    damaged = lines[2].replace(b"DENY", b"ALOW")
    first.write_bytes(b"\n".join([*lines[:2], damaged, *lines[3:]]))
    done = audit("find", "--user", "person 1")
    assert done.code == 5
    said(done.out + done.err)
    as_json = audit("find", "--user", "person 1", "--json")
    found = AuditFound.from_bytes(as_json.out, "stdout")
    assert (as_json.code, len(found.lines), [fault.line for fault in found.damaged]) == (5, 2, [3])
    done = audit("erase", "--user", "person 1")
    assert done.code == 5
    said(done.out + done.err)
    assert damaged in first.read_bytes()
    assert audit("find", "--user", "person 1").out == "0 lines\n"


def test_the_user_from_standard_input(audit: Audit, folder: Path, monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    """So the id stays out of lists of processes; an empty one is refused."""
    monkeypatch.setattr("sys.stdin", io.StringIO("person 1\n"))
    assert audit("find", "--user", "-").out.endswith("3 lines\n")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    done = audit("erase", "--user", "-")
    assert done.code == 2
    said(done.err)


def test_a_running_service_is_asked_to_erase(audit: Audit, folder: Path) -> None:
    """The command returns when the service has done it."""

    def serve() -> None:
        writer = AuditWriter(AuditLog(folder), sync=False, anchors=None)
        (folder / "up").touch()
        until(lambda: not writer, "never")

    with running(serve):
        until((folder / "up").exists, "the service")
        assert audit("erase", "--user", "person 0").out == "erased: 3 lines\n"
        assert audit("find", "--user", "person 0").out == "0 lines\n"


def test_a_new_key(audit: Audit, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is never printed; lines of the old one are still found and erased."""
    monkeypatch.delenv(AUDIT_KEY_VARIABLE)
    path = tmp_path / "keys" / "audit"
    path.parent.mkdir()
    path.write_text(KEY)
    named = ("--set", f"think.audit.key_file={path}")
    done = audit("new-key", *named)
    new, old = path.read_text().split()
    assert (done.code, old) == (0, KEY)
    assert done.out == f"new key {AuditKey(bytes.fromhex(new)).id}\n"
    log = AuditLog(folder)
    log.append([_entry(7, _user(1, new))])
    log.close()
    assert audit("find", "--user", "person 1", *named).out.endswith("4 lines\n")


def test_no_log_and_no_key(audit: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2."""
    assert audit("verify").code == 2
    assert audit("find", "--user", "x").code == 2
    monkeypatch.delenv(AUDIT_KEY_VARIABLE)
    assert audit("erase", "--user", "x").code == 2
    assert not (tmp_path / "log").exists()


def test_json_is_what_the_model_says(audit: Audit, folder: Path) -> None:
    """Indented, with all fields."""
    assert set(json.loads(audit("verify", "--json").out)) == set(AuditProof.model_fields)
