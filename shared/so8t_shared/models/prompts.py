"""The only place that decides how a model is prompted, so that training and evaluation agree.

The chat template is rendered exactly as transformers renders it (an immutable sandboxed Jinja
environment with the same options); a test compares the two byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from typing import Any, NoReturn

from jinja2 import nodes
from jinja2.exceptions import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from so8t_shared.models.rendering import RENDERER
from so8t_shared.models.thinking import written

SYSTEM_PROMPT = (
    "Decide on the request: ALLOW, ESCALATION (a human must decide), DENY (against the rules) or REFUSE (harmful). "
    "Answer with <final>LABEL</final>."
)

PLAIN_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] | capitalize }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""Used for a model without a chat template."""

PROMPT_DATE = datetime(2024, 7, 26, tzinfo=UTC)
"""The fixed date given to templates that ask for today's date (Llama 3.1 and later do).

So prompts are the same in training, for both models, in every engine and on every day, and a stored answer stays
valid for its prompt. It is the default date of Llama 3.1's own template.
"""

_INVISIBLE = "\u200b\u2060\u200c\u200d"
"""Characters that may break a marker, the preferred one first."""

_LAST_RESORT = range(0xE000, 0x110000)
"""Characters for private use, and above: more than any tokenizer's markers contain."""

TEMPLATE_ERRORS = (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""Errors that a template's code can raise."""


def build_messages(
    text: str, markers: list[str], turns: Sequence[tuple[str, str]] = (), system: str = SYSTEM_PROMPT
) -> list[dict[str, str]]:
    """The conversation that asks for the class of `text`; chat markers inside it are made harmless.

    `turns` are (role, content) before the request, as the row has them. Its own system prompt follows the one that
    names the classes, in the same message.
    """
    own = [turns[0][1]] if turns and turns[0][0] == "system" else []
    said = [*turns[len(own) :], ("user", text)]
    return [
        {"role": "system", "content": "\n\n".join([system, *(neutralise_markers(text, markers) for text in own)])},
        *({"role": role, "content": neutralise_markers(content, markers)} for role, content in said),
    ]


def neutralise_markers(text: str, markers: list[str]) -> str:
    """Break each special-token marker in user text with an invisible character after its first one.

    It is a zero-width space, unless a marker contains one: then breaking one marker could make another.

    Both engines turn `<|im_end|>` typed by a user into the real control token, and a row must not
    end its own turn.
    """
    for marker, broken in _broken(tuple(markers)):
        while marker in text:  # repeat: an overlapping one may be left
            text = text.replace(marker, broken)
    return text


@lru_cache(maxsize=16)
def _broken(markers: tuple[str, ...]) -> list[tuple[str, str]]:
    """Each marker that can be broken, the longest first, and what it becomes."""
    invisible = next(c for c in chain(_INVISIBLE, map(chr, _LAST_RESORT)) if not any(c in marker for marker in markers))
    longest_first = sorted((marker for marker in markers if len(marker) > 1), key=len, reverse=True)
    return [(marker, marker[0] + invisible + marker[1:]) for marker in longest_first]


def render_chat(
    template: str,
    messages: list[dict[str, str]],
    *,
    bos_token: str = "",
    eos_token: str = "",
    add_generation_prompt: bool = True,
) -> str:
    """Render one conversation, see `render_chats`."""
    given = {"bos_token": bos_token, "eos_token": eos_token, "add_generation_prompt": add_generation_prompt}
    return RENDERER.render(template, messages, given)


def render_chats(
    template: str, conversations: Sequence[list[dict[str, str]]], *, bos_token: str = "", eos_token: str = ""
) -> list[str]:
    """Render conversations, up to the model's turn, as transformers' `apply_chat_template(..., tokenize=False)` does.

    Today's date, which a template may ask for, is always PROMPT_DATE.

    Templates without a system role (they raise, or drop it) get the system text before the next user turn. Where one
    wants user and assistant to take turns, neighbors of the same role become one message.

    Raises:
        InputError: the template is not valid Jinja, rejects these messages, or does not end.
    """
    given = {"bos_token": bos_token, "eos_token": eos_token, "add_generation_prompt": True}
    return RENDERER.render_all(template, conversations, given)


def render_here(template: str, messages: list[dict[str, str]], given: dict[str, Any]) -> str:
    """Render in this process, without any limit; a foreign template may never end, or raise anything."""
    compiled = _compile(template)
    said = [m["content"] for m in messages if m["role"] == "system"] if len(messages) > 1 else []
    systems = [line.strip() for text in said for line in text.split("\n")]  # a template may escape line breaks
    for form in [messages, _joined(messages)] if systems else []:
        try:
            rendered: str = compiled.render(messages=form, tools=None, documents=None, **given)
        except TEMPLATE_ERRORS:
            continue
        if all(line in rendered for line in systems):
            return rendered
    last = _joined(_without_system(messages)) if systems else messages
    merged: str = compiled.render(messages=last, tools=None, documents=None, **given)
    return merged


def _without_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """Let the user say what the system says."""
    return [{**message, "role": "user"} if message["role"] == "system" else message for message in messages]


def _joined(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """Join neighbors of the same role: many templates want user and assistant to take turns."""
    joined: list[dict[str, str]] = []
    for message in messages:
        if joined and joined[-1]["role"] == message["role"]:
            joined[-1] = {**message, "content": f"{joined[-1]['content']}\n\n{message['content']}"}
        else:
            joined.append(message)
    return joined


class _GenerationBlock(Extension):
    """`{% generation %}`, which some templates use to mark the model's turn; its body is rendered unchanged."""

    tags = {"generation"}  # noqa: RUF012 - Jinja reads it from the class

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller: Callable[[], str]) -> str:
        return caller()


@lru_cache(maxsize=16)
def _compile(template: str) -> Any:
    """Compile once, as transformers does: it takes longer than all else that we do for an answer."""
    return _environment().from_string(template)


def parse_template(template: str) -> nodes.Template:
    """Return what a template is made of.

    Raises:
        TemplateError: it is not valid.
    """
    return _environment().parse(template)


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationBlock, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = PROMPT_DATE.strftime
    return environment


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def final_answer(label: str, thinking: dict[str, str] | None = None) -> str:
    """The answer that a model is trained to give: the row's thinking in its order, then the label.

    `thinking` maps roles to their texts, see `models.thinking`; empty texts are omitted.
    """
    return f"{written(thinking or {})}<final>{label}</final>"
