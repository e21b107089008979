"""Thinking roles and their tags."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from so8t_shared.models.prompts import final_answer
from so8t_shared.models.reading import read_answer, read_thinking
from so8t_shared.models.thinking import role_of, tag_of


@pytest.mark.parametrize(
    ("tag", "role"),
    [
        ("think-task", "task"),
        ("Think-Logic", "logic"),
        ("think", "<think>"),
        ("thinking", "<thinking>"),
        ("analysis", "<analysis>"),
        ("think-analysis", "analysis"),
        ("think-", "<think->"),
        ("seed:think", "<seed:think>"),
    ],
)
def test_names(tag: str, role: str) -> None:
    """One role for one tag, and back."""
    assert role_of(tag) == role
    assert tag_of(role) == tag.lower()


TEXTS = st.text(st.sampled_from("a思\u200b１ \n<"), min_size=1, max_size=8).map(str.strip).filter(bool)
ROLES = st.sampled_from(["task", "safety", "policy", "logic", "ethics", "<think>", "<reasoning>", "論理"])


@given(st.dictionaries(ROLES, TEXTS, max_size=4))
def test_what_is_taught_is_read_back(thinking: dict[str, str]) -> None:
    """Every role with its text in its order, and none of it is outside."""
    found = read_thinking(final_answer("DENY", thinking))
    assert list(found.roles.items()) == list(thinking.items())
    assert (found.outside, found.unclosed) == ("<final>DENY</final>", "")
    assert read_answer(final_answer("DENY", thinking)).text == found.outside


def test_thinking_that_the_template_opened_or_nobody_closed() -> None:
    """A closing tag alone ends a role that begins with the answer; an open one runs to the end."""
    assert read_thinking("x</think><final>DENY</final>").roles == {"<think>": "x"}
    found = read_thinking("<final>DENY</final><think-task>x")
    assert (found.roles, found.unclosed) == ({"task": "x"}, "task")
    assert read_thinking("[THINK]x[/THINK]DENY").roles == {"<think>": "x"}
