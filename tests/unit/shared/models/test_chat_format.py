"""The format of a chat template, found by rendering; tests/unit/evaluator/test_template.py has more families."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.tiny_tokenizers import CHATML, PHI35

from so8t_shared.errors import InputError
from so8t_shared.models.chat_format import Messages, find_format
from so8t_shared.models.prompts import PLAIN_TEMPLATE, render_chat

FOLDER = Path(__file__).parents[1] / "templates"
TEXTS = ["open the door", " \n\u3000「議事録」😀{{ .Content }} \"'`\\n %} \n\n", "a\n\n\nb", "{% x %}{# y #}"]
ROLES = [["system", "user"], ["user"], ["system", "user", "assistant", "user"]]


def _file(name: str) -> str:
    return (FOLDER / f"{name}.jinja").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "template",
    [CHATML, PHI35, PLAIN_TEMPLATE, *map(_file, ("qwen2", "smollm2", "llama-3", "llama-3.1", "phi-3.5"))],
    ids=["ChatML", "Phi", "plain", "qwen2", "smollm2", "llama-3", "llama-3.1", "phi-3.5"],
)
@pytest.mark.parametrize("roles", ROLES, ids="-".join)
def test_the_same_format_as_a_template(template: str, roles: list[str]) -> None:
    """The chat template made of a format renders what the model's own does, byte for byte."""
    found = find_format(lambda messages: render_chat(template, messages))
    assert found is not None
    for text in TEXTS:
        messages = [{"role": role, "content": text} for role in roles]
        assert render_chat(found.jinja(), messages) == render_chat(template, messages)


def test_no_system_role() -> None:
    """A format without one has the system text before the user's, as for any template without one."""

    def render(messages: Messages) -> str:
        return "".join(f"[{m['content']}]" for m in messages if m["role"] != "system")

    assert find_format(render) is None
    found = find_format(render, system=False)
    assert found is not None
    said = [{"role": "system", "content": "decide"}, {"role": "user", "content": "hi"}]
    assert render_chat(found.jinja(), said) == "[decide\n\nhi]"


def test_roles_in_another_order() -> None:
    """Neighbors of one role become one message, since the format says nothing about them."""
    found = find_format(lambda messages: render_chat(CHATML, messages))
    assert found is not None
    said = [{"role": role, "content": role} for role in ("system", "user", "user")]
    joined = [said[0], {"role": "user", "content": "user\n\nuser"}]
    assert render_chat(found.jinja(), said) == render_chat(CHATML, joined)


@pytest.mark.parametrize("template", ["{{ messages | tojson }}", "constant", "{{ 1 / 0 }}"])
def test_no_format(template: str) -> None:
    """A template that does more than stand between texts has none."""
    assert find_format(lambda messages: render_chat(template, messages)) is None


def test_a_refusal_is_no_format() -> None:
    """A renderer that refuses a conversation has no format for it."""

    def refuse(messages: Messages) -> str:
        raise InputError("no")

    assert find_format(refuse) is None
