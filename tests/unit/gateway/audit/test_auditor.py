"""The service's auditor: what it writes, its key, and what happens to an answer that it cannot record."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.messages import Said
from tests.unit.gateway.audit.logs import lines_in

from so8t_gateway.audit import writer
from so8t_gateway.audit.auditor import FileAuditor, open_auditor
from so8t_gateway.audit.keys import AUDIT_KEY_VARIABLE, AuditKeys
from so8t_gateway.audit.verify import verify
from so8t_gateway.outcome import Outcome
from so8t_gateway.prompts import Query
from so8t_gateway.seams import AskOptions
from so8t_gateway.service import Service
from so8t_shared.config.model import Config
from so8t_shared.errors import ConfigError
from so8t_shared.store.local import LocalStore

WORDS = "what the model said"


def _outcome(number: int = 0) -> Outcome:
    texts: dict[str, Any] = {name: "" for name, kind in Outcome.__annotations__.items() if kind == "str"}
    counts = {name: 7 for name, kind in Outcome.__annotations__.items() if kind == "int"}
    known = {"answer": WORDS, "label": "DENY", "request_id": f"r{number}", "thinking_hash": "c" * 64}
    return Outcome(**{**texts, **counts, **known}, confidence=0.123456789, escalated=False)


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., FileAuditor]:
    """Open an auditor for a log in tmp_path."""
    monkeypatch.delenv(AUDIT_KEY_VARIABLE, raising=False)

    def call(**audit: object) -> FileAuditor:
        section = {"folder": str(tmp_path / "log"), "key_file": str(tmp_path / "key"), **audit}
        raw = {"model_a": {"base_model": "/data/model"}, "dataset": {"paths": ["/data/rows.jsonl"]}}
        config = Config.model_validate({**raw, "think": {"audit": section}})
        return open_auditor(config, LocalStore(tmp_path / "store"))

    return call


def test_a_line_per_outcome(opened: Callable[..., FileAuditor], tmp_path: Path) -> None:
    """Time, class, confidence, reason and digests as facts; user, thinking, request, lengths as person; no content."""
    auditor = opened()
    auditor.record(replace(_outcome(), reason="low_confidence", model_sha256="m" * 64, policy_sha256="p" * 64), "Zoë")
    auditor.close()
    keys = AuditKeys.read(str(tmp_path / "key"))
    _, (_, _, line) = lines_in(tmp_path / "log")
    time = line.facts["time"]
    assert (time[10], time[-1], len(time)) == ("T", "Z", 24)
    assert {key: value for key, value in line.facts.items() if key != "time"} == {
        "class": "DENY",
        "confidence": 0.123457,
        "escalated": False,
        "key": keys.current.id,
        "model": "m" * 64,
        "policy": "p" * 64,
        "reason": "low_confidence",
    }
    assert line.person == {
        "answer_length": 7,
        "query_length": 7,
        "request": "r0",
        "thinking": "c" * 64,
        "thinking_length": 7,
        "user": keys.current.user("Zoë"),
    }
    written = (tmp_path / "log" / "00000001.jsonl").read_text()
    assert "Zo" not in written
    assert WORDS not in written


@pytest.mark.parametrize("sync", [False, True])
def test_many_threads_record_at_once(opened: Callable[..., FileAuditor], tmp_path: Path, sync: bool) -> None:
    """Every outcome gets its line; the chain is whole, with and without waiting for the disk."""
    auditor = opened(sync=sync, segment_mb=0.05)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: auditor.record(_outcome(number), f"u{number}"), range(400)))
    auditor.close()
    requests = [line.person["request"] for _, _, line in lines_in(tmp_path / "log") if line.person]
    assert sorted(requests) == sorted(f"r{number}" for number in range(400))
    assert verify(tmp_path / "log", None).faults == []


def test_a_line_at_once(opened: Callable[..., FileAuditor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is with the operating system on return; a new file of the log, or the disk, is left to a thread."""
    monkeypatch.setattr(writer, "_TICK_S", 3600)  # the thread that would begin a new file
    auditor = opened(segment_mb=0.002)

    def at_once(number: int) -> bool:
        """Whether it is written, within the moments for which the anchoring thread may hold the log."""
        until = time.monotonic() + 1
        while not (written := auditor.record_at_once(_outcome(number), "u")) and time.monotonic() < until:
            time.sleep(0.01)
        return written

    count = len([*itertools.takewhile(at_once, range(9))])
    assert 0 < count < 9
    requests = [line.person["request"] for _, _, line in lines_in(tmp_path / "log") if line.person]
    assert requests == [f"r{number}" for number in range(count)]
    auditor.record(_outcome(9), "u")
    assert at_once(10)
    auditor.close()
    assert verify(tmp_path / "log", None).segments == 2
    waiting = opened(sync=True)
    assert not waiting.record_at_once(_outcome(), "u")
    waiting.close()


def test_a_new_log_gets_a_key(opened: Callable[..., FileAuditor], tmp_path: Path, said: Said) -> None:
    """Made once, for its owner alone; a log whose key is lost is not continued under another one: exit code 2."""
    opened().close()
    key = (tmp_path / "key").read_text()
    assert oct((tmp_path / "key").stat().st_mode & 0o777) == "0o600"
    opened().close()
    assert (tmp_path / "key").read_text() == key
    (tmp_path / "key").unlink()
    with said.raised(ConfigError, where=f"think.audit.key_file = {tmp_path / 'key'}"):
        opened()


class _Decided:
    """Decides that it is DENY."""

    model_name = "model"

    async def decide(self, query: Query, options: AskOptions) -> Outcome:
        """The same outcome, whatever is asked."""
        return _outcome()

    async def fault(self) -> str:
        """None."""
        return ""


def test_an_answer_that_cannot_be_recorded_does_not_leave(opened: Callable[..., FileAuditor]) -> None:
    """It becomes ESCALATION with a reason and none of the model's words."""
    auditor = opened()
    service = Service(_Decided(), auditor)

    def ask() -> Outcome:
        return asyncio.run(service.decide(Query("q", []), AskOptions(), user_id="u", api="think"))

    assert ask().answer == WORDS
    auditor.close()
    withheld = ask()
    assert (withheld.label, withheld.reason) == ("ESCALATION", "not_audited")
    assert WORDS not in str(withheld)
