"""Renders what a client asks into the prompt that the model was trained on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypedDict

from so8t_shared.models.bounded import render_bounded
from so8t_shared.models.prompts import PLAIN_TEMPLATE, build_messages, render_chat
from so8t_shared.results.conversion import ChatInfo

_PROBES = ("0", "?")

_THREAD = ThreadPoolExecutor(1, "rendering")
"""Renders the prompts of templates that need a process of their own. It ends with the thread
that started it, so that must not end."""


@dataclass(frozen=True)
class Query:
    """A request to decide on, with what was said before it."""

    text: str
    turns: Sequence[tuple[str, str]] = ()
    """(role, content); a system prompt comes first."""

    @property
    def length(self) -> int:
        """Characters of the request and of the turns before it."""
        return len(self.text) + sum(len(content) for _, content in self.turns)


class Tokens(TypedDict):
    """Control tokens that a template may write."""

    bos_token: str
    eos_token: str


class Prompts:
    """The prompts of one model; control tokens in them are made harmless."""

    def __init__(self, chat: ChatInfo) -> None:
        self._chat = chat
        self._template = chat.chat_template or PLAIN_TEMPLATE
        self._tokens = Tokens(bos_token=chat.bos_token, eos_token=chat.eos_token)

    def render(self, text: str, turns: Sequence[tuple[str, str]] = ()) -> str:
        """Return the prompt, as training and the test render it.

        Raises:
            InputError: the template rejects these turns.
        """
        messages = build_messages(text, self._chat.markers, turns)
        found = render_bounded(self._template, messages, **self._tokens)
        return self._in_child(messages).result() if found is None else found

    async def rendered(self, query: Query) -> str:
        """Return the prompt of a query, see `render`."""
        messages = build_messages(query.text, self._chat.markers, query.turns)
        found = render_bounded(self._template, messages, **self._tokens)
        return await asyncio.wrap_future(self._in_child(messages)) if found is None else found

    def _in_child(self, messages: list[dict[str, str]]) -> Future[str]:
        return _THREAD.submit(lambda: render_chat(self._template, messages, **self._tokens))

    def warm_up(self) -> list[str]:
        """Return prompts that share only what all prompts share."""
        return [self.render(text) for text in _PROBES]
