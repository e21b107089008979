"""What may leave of an answer, and that nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from tests.unit.gateway.answers import MARKER, answers

from so8t_gateway.letting_out import LONGEST_FINAL, let_out
from so8t_gateway.reasons import BY_NAME

LEAKS = yaml.safe_load(Path(__file__).with_name("leaks.yaml").read_text("utf-8"))


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("<final>ALLOW</final>", "ALLOW"),
        ("<think>so</think><final>DENY</final>\n", "DENY"),
        ("<think-task>a</think-task><think-safety>b</think-safety><final> refuse </final>", "REFUSE"),
        ("reasoning that the template opened</think><final>ESCALATE</final>", "ESCALATION"),
        ("It is harmless. <final>ALLOW</final>", "ALLOW"),
        ("<final>DENY</final> <final>deny</final>", "DENY"),
        ("<think>maybe <final>ALLOW</final></think><final>DENY</final>", "DENY"),
    ],
)
def test_label(answer: str, label: str) -> None:
    """One closed final outside all thinking decides."""
    found = let_out(answer)
    assert (found.reason, found.text) == ("", "")
    assert label.startswith(found.label) or found.label == label


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "no_final"),
        ("ALLOW", "no_final"),
        ("<final>ALLOW", "unclosed"),
        ("ALLOW</final>", "unclosed"),
        ("<think>so<final>ALLOW</final>", "unclosed"),
        ("<final>ALLOW</final><think>or not", "unclosed"),
        ("<final>AL<think>x</think>LOW</final>", "unclosed"),
        ("<final>ALLOW</final><final>DENY</final>", "contradiction"),
        ("<final>LABEL</final><final>DENY</final>", "contradiction"),
        ("<final>ALLOW</final> or rather not", "text_after_final"),
        ("<final>ALLOW</final><think>no</think>", ""),
        ("<pondering>so</pondering><final>ALLOW</final>", "markup"),
        ("<thіnk>so</thіnk><final>ALLOW</final>", "markup"),
        ('{"name": "send", "arguments": {}} <final>ALLOW</final>', "markup"),
        ("[TOOL_CALLS] <final>ALLOW</final>", "markup"),
        ("<final></final>", "final_refused"),
        ("<final>a <b>bold</b> text</final>", "final_refused"),
        ("<final>a\u202etxet</final>", ""),
        ("<final>a\x07b</final>", "final_refused"),
        ("<final>a\ud800b</final>", "final_refused"),
        (f"<final>{'x' * (LONGEST_FINAL + 1)}</final>", "final_refused"),
    ],
)
def test_reason(answer: str, reason: str) -> None:
    """Everything else leaves nothing, with a reason."""
    found = let_out(answer)
    assert found.reason == reason
    assert not reason or (found.label, found.text, found.thinking) == ("", "", answer)
    assert reason in {"", *BY_NAME}


def test_cut() -> None:
    """What the limit ended is not believed, however it looks."""
    assert let_out("<final>ALLOW</final>", cut=True).reason == "cut"


def test_text() -> None:
    """Ordinary text inside leaves as it looks: without what is invisible in it."""
    assert (
        let_out("<think>no</think><final>Ask\u200b at the desk, 窓口で。</final>").text == "Ask at the desk, 窓口で。"
    )


def test_place_and_thinking() -> None:
    """The place of the deciding final is told, and all the rest is thinking."""
    found = let_out("<think>a</think><final>ALLOW</final>\n")
    assert (found.tag, found.thinking) == (16, "<think>a</think>\n")


@given(answers())
@settings(max_examples=2_000)
def test_thinking_never_leaves(answer: str) -> None:
    """Whatever tags, pieces and characters stand around it, a marker outside `<final>` is not let out."""
    found = let_out(answer)
    assert MARKER not in found.text + found.label
    assert MARKER in found.thinking


@pytest.mark.parametrize("case", LEAKS, ids=lambda case: case["issue"])
def test_leaks_of_other_servers(case: dict[str, str]) -> None:
    """What leaked elsewhere does not leave here."""
    found = let_out(case["answer"])
    assert "SECRET" in case["answer"]
    assert "SECRET" not in found.text + found.label
    assert (found.label or found.text or found.reason) == case["becomes"]
