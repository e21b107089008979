"""What people see of the turns before a request."""

from __future__ import annotations

import pytest

from so8t_shared.models.turns import MOST_TURNS, TURN_LENGTH, shown_turns


def test_turns_are_shown_as_they_are() -> None:
    """Roles and texts in their order, the system's and the user's with every tag in them."""
    turns = [("system", "Write <think>steps</think> first."), ("user", "<b>Hi</b>\n\x1b[2J"), ("assistant", "Hello.")]
    assert shown_turns(turns) == turns
    assert shown_turns([]) == []


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("<think>SECRET</think><final>ALLOW</final>", "<final>ALLOW</final>"),
        ("<think-task>SECRET</think-task>Fine.<think-policy>SECRET</think-policy>", "Fine."),
        ("SECRET</think>Fine.", "Fine."),
        ("Fine. <think-safety>SECRET", "Fine."),
        ("<|channel|>analysis<|message|>SECRET", ""),
        ("<think>SECRET</think>", ""),
    ],
)
def test_the_assistants_thinking_is_not_shown(said: str, shown: str) -> None:
    """Also where it is never closed; a turn that is nothing else keeps its place."""
    assert shown_turns([("user", "Hi"), ("assistant", said)]) == [("user", "Hi"), ("assistant", shown)]


def test_long_turns_are_cut() -> None:
    """A text of a megabyte says how much of it is missing."""
    ((role, text),) = shown_turns([("system", "x" * 1_000_000)])
    assert role == "system"
    assert text == "x" * TURN_LENGTH + f"… ({1_000_000 - TURN_LENGTH:,} more characters)"


def test_long_conversations_are_cut() -> None:
    """The system prompt and the last turns stay; what is missing between them is counted in its place."""
    turns = [("system", "Guard."), *((("user", "assistant")[n % 2], f"turn {n}") for n in range(100))]
    shown = shown_turns(turns)
    assert len(shown) == MOST_TURNS
    assert shown[0] == turns[0]
    assert shown[1] == ("", f"({len(turns) - MOST_TURNS + 1} turns are not shown)")
    assert shown[2:] == turns[-(MOST_TURNS - 2) :]
    assert shown_turns(turns[:MOST_TURNS]) == turns[:MOST_TURNS]
