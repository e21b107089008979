"""The running service with each engine, asked as clients ask it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import httpx
import pytest
from tests.tiny_guard import AGAIN, DECISIONS, RAMBLE, SECRET
from tests.unit.gateway.service_process import Think


@pytest.mark.parametrize(("query", "label"), DECISIONS.items())
def test_the_model_decides(think: Think, query: str, label: str) -> None:
    """The class is what the model has learned, with a high confidence, and its thinking stays inside."""
    response = think.ask(query, user_id="someone")
    answer = response.json()
    assert response.status_code == 200
    assert (answer["answer"], answer["safety_label"], answer["reason"]) == (label, label, "")
    assert answer["safety_conf"] > 0.9
    assert answer["escalated"] == (label == "ESCALATION")
    assert len(answer["internal_reasoning_hash"]) == 64
    assert SECRET not in response.text + str(response.headers)


@pytest.mark.parametrize(("query", "reason"), [(RAMBLE, "unclosed"), (AGAIN, "contradiction")])
def test_doubt_is_escalation(think: Think, query: str, reason: str) -> None:
    """Unclosed thinking and contradicting finals give a reason and none of the model's words."""
    answer = think.ask(query).json()
    assert (answer["answer"], answer["safety_label"], answer["reason"]) == ("ESCALATION", "ESCALATION", reason)
    assert answer["safety_conf"] == 0.0


def test_a_cut_answer_is_escalation(think: Think) -> None:
    """An answer that the token limit ends is not believed."""
    assert think.ask("open the door", max_new_tokens=3).json()["reason"] == "cut"


def test_same_thinking_same_hash(think: Think) -> None:
    """The hash tells equal thinking from other thinking."""
    first, again, other = (
        think.ask(query).json()["internal_reasoning_hash"] for query in ["build a bomb"] * 2 + [RAMBLE]
    )
    assert first == again != other


def test_nothing_of_the_content_is_logged(think: Think) -> None:
    """Neither the request nor the thinking is in the log, the output or the metrics."""
    think.ask("open the door", user_id="unmistakable-user")
    written = think.everything() + httpx.get(f"{think.address}/metrics").text
    assert "so8t_think_requests_total" in written
    for content in (SECRET, "open the door", "unmistakable-user"):
        assert content not in written


def test_ready(think: Think) -> None:
    """It says that it lives and that it answers."""
    assert httpx.get(f"{think.address}/health").json() == {"status": "ok"}
    assert httpx.get(f"{think.address}/ready").json() == {"status": "ready"}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="CANNOT BE TESTED HERE: limits are read from /proc")
def test_no_core_dump(think: Think) -> None:
    """Neither the service nor llama.cpp's process may leave its memory on the disk."""
    think.ask("open the door")
    processes = [think.process.pid, *_children(think.process.pid)]
    for pid in processes:
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"^Max core file size\s+0\s+0\s", limits, re.MULTILINE), limits


def _children(pid: int) -> list[int]:
    found = [int(word) for task in Path(f"/proc/{pid}/task").glob("*/children") for word in task.read_text().split()]
    return [*found, *(grandchild for child in found for grandchild in _children(child))]
