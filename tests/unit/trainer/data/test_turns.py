"""Conversations: what is the request, what came before, what is the answer."""

from __future__ import annotations

from typing import Any

import pytest
from tests.messages import Said

from so8t_shared.errors import InputError
from so8t_shared.models.prompts import final_answer
from so8t_trainer.data.fields import Fields
from so8t_trainer.data.rows import Row, parse_row
from so8t_trainer.data.turns import Conversation, read_conversation, read_history


def _read(*turns: tuple[str, str]) -> Conversation:
    values = [{"role": role, "content": text} for role, text in turns]
    return read_conversation(Fields({"messages": values}, "here"), "messages", "")


def test_the_last_user_turns_are_the_request() -> None:
    """All before them is kept in its order, and the assistant's turns after them are the answer."""
    before = (("system", "s"), ("user", "a"), ("assistant", "b"))
    assert _read(*before, ("user", "c"), ("user", "d"), ("assistant", "e")) == Conversation(before, "c\nd", "e")
    assert _read(*before, ("user", "c")) == Conversation(before, "c", "")
    assert _read(("assistant", "hello"), ("user", "c")) == Conversation((("assistant", "hello"),), "c", "")


def test_sharegpt() -> None:
    """Its names of roles and fields; a field beside them is named."""
    turns = [
        {"from": "system", "value": "s"},
        {"from": "human", "value": "a", "weight": 1},
        {"from": "gpt", "value": "DENY"},
    ]
    row = parse_row({"conversations": turns}, "here")
    assert (row.text, row.label, row.turns, row.schema) == ("a", "DENY", (("system", "s"),), "conversations")
    assert row.unused == ("conversations[].weight",)


def _answered(**fields: Any) -> Row:
    asked = {"role": "user", "content": "a"}
    return parse_row({"messages": [asked, {"role": "assistant", **fields}], "label": "DENY"}, "here")


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_beside_the_answer(name: str) -> None:
    """It is thinking before the answer's own; its tags are roles, and what has none is plain thinking."""
    row = _answered(**{name: "r"}, content="<think-task>t</think-task><final>DENY</final>")
    assert list(row.thinking.items()) == [("<think>", "r"), ("task", "t")]
    assert (row.text, row.label, row.unused, row.reasoning) == ("a", "DENY", (), (f"messages[].{name}",))
    assert final_answer(row.label, row.exported().thinking) == "".join(
        ["<think>r</think>", "<think-task>t</think-task>", "<final>DENY</final>"]
    )
    assert _answered(**{name: "r"}, content=None).thinking == {"<think>": "r"}
    assert _answered(**{name: "r"}, content="<think>r</think>DENY").thinking == {"<think>": "r"}
    assert _answered(**{name: "r"}, content="<think>s</think>DENY").thinking == {"<think>": "r\ns"}
    for tagged in ("<think-task>t</think-task> r", "<think-task>t</think-task><think>r", "r</think>"):
        found = _answered(**{name: tagged}, content="DENY").thinking
        assert {**found, "task": "t"} == {"task": "t", "<think>": "r"}


def test_reasoning_that_is_not_read() -> None:
    """That of an earlier turn, of a request, of a second field that says something else, or that is no text: named."""
    early = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "reasoning": "r"}]
    row = parse_row({"messages": [*early, {"role": "user", "content": "c", "reasoning": "q"}], "label": 0}, "here")
    assert (row.thinking, row.reasoning, row.unused) == ({}, (), ("messages[].reasoning",))
    both = _answered(content="DENY", reasoning="r", reasoning_content="r")
    assert (both.thinking, both.unused, both.reasoning) == ({"<think>": "r"}, (), ("messages[].reasoning_content",))
    other = _answered(content="DENY", reasoning="q", reasoning_content="r")
    assert (other.thinking, other.unused) == ({"<think>": "r"}, ("messages[].reasoning",))
    parts = _answered(content="DENY", reasoning={"effort": "high"})
    assert (parts.thinking, parts.unused) == ({}, ("messages[].reasoning",))


@pytest.mark.parametrize(
    "turns",
    [
        [{"role": "tool", "content": "x"}],
        [{"from": "observer", "value": "x"}],
        [{"content": "x"}],
        "x",
    ],
)
def test_what_is_no_conversation(turns: Any, said: Said) -> None:
    """A role that no chat template knows would vanish."""
    with said.raised(InputError, where="here"):
        parse_row({"messages": turns, "label": "DENY"}, "here")


def test_columns_before_the_request() -> None:
    """A system prompt and a history of pairs, as other programs keep them."""
    fields = Fields({"system": "s", "history": [["a", "b"]], "instruction": "c"}, "here")
    assert read_history(fields) == (("system", "s"), ("user", "a"), ("assistant", "b"))
    row = parse_row({**fields.values, "output": "<final>ALLOW</final>"}, "here")
    assert (row.turns, row.text, row.unused) == (read_history(fields), "c", ())


def test_a_broken_history(said: Said) -> None:
    """It is refused with its place."""
    with said.raised(InputError, where="here"):
        parse_row({"instruction": "c", "history": ["a"], "label": "DENY"}, "here")
