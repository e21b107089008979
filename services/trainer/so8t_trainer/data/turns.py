"""Conversations: who says what, in the spellings of OpenAI's and ShareGPT's formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from so8t_trainer.data.fields import Fields

Turn = tuple[str, str]
"""A role (system, user or assistant) and its text."""

_ROLES = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "chatgpt", "model"), "assistant"),
}


REASONING = ("reasoning_content", "reasoning")
"""Fields beside a message's content that hold the model's thinking: DeepSeek's and vLLM's names."""


@dataclass(frozen=True)
class Reasoning:
    """The thinking that stands beside an answer, in fields of its own."""

    text: str = ""
    names: tuple[str, ...] = ()
    """The fields."""


@dataclass(frozen=True)
class Conversation:
    """The turns before the request, the request, and the answer to it."""

    turns: tuple[Turn, ...]
    request: str
    answer: str
    unused: tuple[str, ...] = ()
    reasoning: Reasoning = Reasoning()


def read_conversation(fields: Fields, name: str, remedy: str) -> Conversation:
    """Read a field with turns. The last user turns are the request; what the assistant says after it is the answer.

    Reasoning beside an earlier turn counts as unused: chat templates leave it out, too.

    Raises:
        InputError: it is no list of turns, a role is unknown, or a content is not text.
    """
    value = fields.get(name)
    if not isinstance(value, list) or not all(isinstance(turn, Mapping) for turn in value):
        raise fields.error(f"{name} must be a list of {{role, content}}.", remedy=remedy)
    turns: list[Turn] = []
    unused: dict[str, None] = {}
    reasoning: list[tuple[str, str]] = []
    for raw in value:
        turn = Fields(raw, fields.where)
        role = _role(turn)
        text = turn.content("value" if "value" in turn and "content" not in turn else "content")
        if text:
            turns.append((role, text))
        if role == "assistant":
            reasoning += [(f"{name}[].{field}", thought) for field, thought in _reasoning(turn)]
        elif text:
            unused |= dict.fromkeys(field for field, _ in reasoning)
            reasoning = []
        unused |= dict.fromkeys(turn.unused(f"{name}[]."))
    beside = Reasoning("\n".join(thought for _, thought in reasoning), tuple(dict.fromkeys(n for n, _ in reasoning)))
    return _taken_apart(turns, tuple(unused), beside)


def _reasoning(turn: Fields) -> list[tuple[str, str]]:
    """The field with the turn's thinking, and its text; a second field only counts as read if it says the same."""
    found = [(name, value) for name in REASONING if isinstance(value := turn.peek(name), str) and value.strip()]
    same = [(name, value) for name, value in found if value == found[0][1]]
    for name, _ in same:
        turn.text(name)
    return same[:1]


def _role(turn: Fields) -> str:
    given = turn.key("from" if "from" in turn and "role" not in turn else "role")
    if role := _ROLES.get(given.lower()):
        return role
    raise turn.error(f"Unknown role {given[:40]!r}.", remedy=f"use one of {', '.join(_ROLES)}, or remove the row")


def _taken_apart(turns: list[Turn], unused: tuple[str, ...], reasoning: Reasoning) -> Conversation:
    answer_from = len(turns)
    while answer_from and turns[answer_from - 1][0] == "assistant":
        answer_from -= 1
    request_from = answer_from
    while request_from and turns[request_from - 1][0] == "user":
        request_from -= 1
    request, answer = (
        "\n".join(text for _, text in part) for part in (turns[request_from:answer_from], turns[answer_from:])
    )
    return Conversation(tuple(turns[:request_from]), request, answer, unused, reasoning)


def read_history(fields: Fields) -> tuple[Turn, ...]:
    """Return the turns that `system` and `history`, a list of [request, answer], put before a request.

    Raises:
        InputError: one of them is not text.
    """
    system = next((text for name in ("system", "system_prompt") if name in fields and (text := fields.text(name))), "")
    turns: list[Turn] = [("system", system)] if system else []
    history = fields.get("history")
    if not history:
        return tuple(turns)
    if not isinstance(history, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in history):
        raise fields.error("history must be a list of [request, answer].", remedy="correct it, or remove the row")
    for pair in history:
        said = Fields({"user": pair[0], "assistant": pair[1]}, fields.where)
        turns += [("user", said.text("user")), ("assistant", said.text("assistant"))]
    return tuple(turns)
