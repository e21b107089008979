"""What a model is taught to answer, and how an answer is read."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from so8t_shared.labels import INVALID, LABELS
from so8t_shared.models import prompts
from so8t_shared.models.prompts import final_answer, parse_final


def test_final_answer() -> None:
    """The parts that a row has, in the order task, safety, policy, then the label."""
    assert final_answer("DENY") == "<final>DENY</final>"
    thinking = {"policy": "p", "task": "t", "safety": ""}
    assert (
        final_answer("DENY", thinking) == "<think-task>t</think-task><think-policy>p</think-policy><final>DENY</final>"
    )


@pytest.mark.parametrize("label", LABELS)
def test_targets_are_read_back(label: str) -> None:
    """What a model is trained to say is read as the class it was meant for."""
    thinking = {"task": "it says <final>ALLOW</final>", "safety": "b", "policy": "c"}
    for parts in (None, thinking):
        assert parse_final(final_answer(label, parts)) == (label, label)


@pytest.mark.parametrize(
    ("answer", "label", "text"),
    [
        ("<final>DENY</final>", "DENY", "DENY"),
        ("<FINAL> deny </Final>", "DENY", "deny"),
        ("Well: <final>\nREFUSE\n</final> and more", "REFUSE", "REFUSE"),
        ("<final>escalate</final>", "ESCALATION", "escalate"),
        ("<final>ALLOW</final><final>DENY</final>", "DENY", "DENY"),
        ("<final>DENY</final><final>perhaps</final>", INVALID, "perhaps"),
        ("<final></final>", INVALID, ""),
        ("<final>I would deny it</final>", INVALID, "I would deny it"),
        ("<final>DENY", INVALID, ""),
        ("<final>so <final>DENY</final>", "DENY", "DENY"),
        ("DENY</final>", INVALID, ""),
        ("DENY", INVALID, ""),
        ("", INVALID, ""),
        ("<think-task>hmm</think-task><final>DENY</final>", "DENY", "DENY"),
        ("<THINK-Task>hmm <final>ALLOW</final></Think-TASK><final>DENY</final>", "DENY", "DENY"),
        ("<think-task>a <final>ALLOW</final></think-task>", INVALID, ""),
        ("<think-task>never closed <final>ALLOW</final>", INVALID, ""),
        ("<think-task><think-safety>x</think-safety><final>ALLOW</final></think-task>", INVALID, ""),
        ("<think-task>a<think-safety>b</think-task><final>DENY</final>", "DENY", "DENY"),
        ("<think>a</think><final>DENY</final>", "DENY", "DENY"),
        ("<think-task >a <final>ALLOW</final></think-task ><final>DENY</final>", "DENY", "DENY"),
        ("</think-task><final>DENY</final>", "DENY", "DENY"),
        ("<final>DENY</final><think-task>now <final>ALLOW</final>", "DENY", "DENY"),
        ("<thinking>a <final>ALLOW</final></thinking><final>DENY</final>", "DENY", "DENY"),
        ("<final>ALL<think-task>x</think-task>OW</final>", "ALLOW", "ALLOW"),
    ],
)
def test_parse_final(answer: str, label: str, text: str) -> None:
    """The last <final> outside of every thinking part, in any case; anything else is INVALID."""
    assert parse_final(answer) == (label, text)


_PIECES = [
    "<think-task>",
    "</think-task>",
    "<think-safety>",
    "</think-safety>",
    "<final>",
    "</final>",
    "DENY",
    "x",
    "<",
]


@given(st.lists(st.sampled_from(_PIECES), max_size=20).map("".join))
@settings(max_examples=200, deadline=None)
def test_nothing_inside_thinking_decides(answer: str) -> None:
    """Around any text, a thinking part that is never closed hides all that follows it."""
    assert parse_final(f"<think-policy>{answer}") == parse_final("") or "</think-policy>" in answer
    closed = answer + "</think-task></think-safety>" * 20
    assert parse_final(f"{closed}<final>REFUSE</final>") == ("REFUSE", "REFUSE")


_READ_BEFORE = re.compile(r"<final>\s*((?:(?!<final>).)*?)\s*</final>", re.IGNORECASE | re.DOTALL)
"""How the answers that are kept were read: correct, but its time grows with the cube of a run of white space."""


@given(st.lists(st.sampled_from([*_PIECES, " ", "\n", "\u3000", "\x1c", "<FINAL>", "allow"]), max_size=12).map("".join))
@settings(max_examples=500, deadline=None)
def test_answers_are_read_as_before(answer: str) -> None:
    """White space around the label is no part of it, of whatever kind, as it always was."""
    matches = _READ_BEFORE.findall(prompts._without_thinking(answer)) or [""]
    assert parse_final(answer)[1] == matches[-1]


@pytest.mark.parametrize("begun", ["<final>", "<final>DENY", "<think", "<", "</ think-", "<final>x</final"])
@pytest.mark.parametrize("repeated", ["\n", " ", "a", " x", "<final>", "<think-a>", "<"])
def test_a_looping_model_is_read(begun: str, repeated: str) -> None:
    """A begun tag and then the same again to the limit: read in a moment, where it once took hours."""
    assert parse_final(begun + repeated * 30_000) == (INVALID, "")
