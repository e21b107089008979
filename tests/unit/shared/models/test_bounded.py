"""Templates that may be rendered without a process of their own, and all others."""

from __future__ import annotations

import pytest
from tests.messages import Said
from tests.unit.shared.models.test_prompts import TEMPLATES, TEXTS

from so8t_shared.errors import InputError
from so8t_shared.models.bounded import render_bounded
from so8t_shared.models.prompts import build_messages, render_chat

TURNS = [("system", "Be kind."), ("user", "one"), ("assistant", "two")]
ASKED = [{"role": "user", "content": "%99999999d"}]

UNBOUNDED = {
    "loops in a loop": "{% for a in messages %}{% for b in messages %}{{ b }}{% endfor %}{% endfor %}",
    "a loop over a text": "{% for a in messages[0].content %}{{ messages }}{% endfor %}",
    "a loop over numbers": "{% for a in range(99999) %}{{ a }}{% endfor %}",
    "a loop that calls itself": "{% for a in messages recursive %}{{ loop(messages) }}{% endfor %}",
    "a text times a number": "{{ 'a' * 999999999 }}",
    "a power": "{{ 9 ** 999999999 }}",
    "a format": "{{ '%99999999d' % 1 }}",
    "a format from the request": "{% set loop = messages[0] %}{{ loop.content % 1 }}",
    "other messages": "{% set messages = 'aaaa' %}{% for a in messages %}{{ a }}{% endfor %}",
    "a filter that pads": "{{ messages | pprint | center(99999999) }}",
    "a filter with an argument": "{{ messages | tojson(indent=99999999) }}",
    "a method": "{{ 'a'.center(99999999) }}",
    "a macro": "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
    "a namespace": "{% set ns = namespace(a='a') %}{% for m in messages %}{% set ns.a = ns.a + ns.a %}{% endfor %}",
    "a text that doubles": "{% set a = messages[0].content %}" + "{% set a = a ~ a %}" * 40,
    "two names at once": "{% set a, b = messages %}",
    "a syntax error": "{{",
}


@pytest.mark.parametrize("name", sorted({*TEMPLATES} - {"oddities", "llama-3", "llama-3.1"}))
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("turns", [[], TURNS])
def test_it_is_what_the_child_renders(name: str, text: str, turns: list[tuple[str, str]]) -> None:
    """Well-known templates are rendered here, byte for byte the same."""
    messages = build_messages(text, ["<|im_end|>"], turns)
    given = {"bos_token": "<s>", "eos_token": "</s>"}
    assert render_bounded(TEMPLATES[name], messages, **given) == render_chat(TEMPLATES[name], messages, **given)


@pytest.mark.parametrize("template", UNBOUNDED.values(), ids=UNBOUNDED)
def test_what_may_not_end_is_left_to_the_child(template: str) -> None:
    """Whatever could take more time or memory in proportion than it is given is not tried."""
    assert render_bounded(template, ASKED) is None


def test_a_long_conversation_is_left_to_the_child() -> None:
    """A template that can show everything for each message is rendered here as long as that is little."""
    everything = "{% for m in messages %}{{ messages }}{% endfor %}"
    few = [{"role": "user", "content": "x" * 100}] * 10
    assert render_bounded(everything, few) == render_chat(everything, few)
    assert render_bounded(everything, few * 100) is None


def test_a_template_that_rejects_the_messages(said: Said) -> None:
    """Exit code 2, and what the template says."""
    with said.raised(InputError, where="chat_template in tokenizer_config.json"):
        render_bounded("{{ raise_exception('no such role') }}", ASKED)
