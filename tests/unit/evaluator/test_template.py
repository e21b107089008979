"""Ollama's templates for the known chat families."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.tiny_tokenizers import CHATML, PHI35
from tests.unit.evaluator.material import make_chat

from so8t_evaluator.template import FAMILIES, PLAIN, Family, family_of
from so8t_shared.prompts import PLAIN_TEMPLATE, render_chat

FOLDER = Path(__file__).parents[1] / "shared" / "templates"
MESSAGES = [{"role": "system", "content": "Decide."}, {"role": "user", "content": "open the door"}]


def _file(name: str) -> str:
    return (FOLDER / f"{name}.jinja").read_text(encoding="utf-8")


def _go(template: str) -> str:
    """What Go's text/template makes of a system and a user message, for the syntax that is used here."""
    head, rest = template.split("{{- range .Messages }}")
    body, tail = rest.rsplit("{{ end }}", 1)
    turns = ""
    for message in MESSAGES:
        turn = body.replace("{{ .Role }}", message["role"]).replace("{{ .Content }}", message["content"])
        if "{{ if" in turn:
            choice, after = turn.split("{{ end }}")
            named = {"system": "System", "user": "User"}[message["role"]]
            assert f'eq .Role "{message["role"]}" }}}}{named}{{{{' in choice
            turn = named + after
        turns += turn
    return head + turns + tail


@pytest.mark.parametrize(
    ("template", "name"),
    [
        (CHATML, "ChatML"),
        (_file("qwen2"), "ChatML"),
        (_file("qwen2.5"), "ChatML"),
        (_file("smollm2"), "ChatML"),
        (_file("llama-3"), "Llama 3"),
        (_file("llama-3.1"), "Llama 3"),
        (PHI35, "Phi-3"),
        (_file("phi-3.5"), "Phi-3"),
        (_file("gemma"), "plain"),
        (None, "plain"),
    ],
)
def test_recognised(template: str | None, name: str) -> None:
    """Each known template has its family; an unknown one and none are plain."""
    assert family_of(make_chat(chat_template=template)).name == name


@pytest.mark.parametrize(
    ("family", "template"),
    [(FAMILIES[0], CHATML), (FAMILIES[1], _file("llama-3")), (FAMILIES[2], _file("phi-3.5")), (PLAIN, PLAIN_TEMPLATE)],
)
def test_same_text_as_the_models_own(family: Family, template: str) -> None:
    """The Go template writes what the Jinja one does (the bos token aside, which the engine adds)."""
    assert _go(family.template) == render_chat(template, MESSAGES)
