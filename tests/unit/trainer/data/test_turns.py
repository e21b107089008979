"""Conversations: what is the request, what came before, what is the answer."""

from __future__ import annotations

from typing import Any

import pytest
from tests.messages import Said

from so8t_shared.errors import InputError
from so8t_trainer.data.fields import Fields
from so8t_trainer.data.rows import parse_row
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
