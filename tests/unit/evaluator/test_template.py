"""Ollama's TEMPLATE, found out from a model's chat template; the server itself is asked in tests/integration."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.tiny_tokenizers import CHATML, PHI35
from tests.unit.evaluator.material import make_chat

from so8t_evaluator.template import TRIM, chat_format, go
from so8t_shared.models.prompts import PLAIN_TEMPLATE, render_chat

FOLDER = Path(__file__).parents[1] / "shared" / "templates"
TEXTS = ["open the ROLE", " \n\u3000 ROLEを開けて {{ .Content }} \"'` \n\n", "a\n\n\nROLE", "{% ROLE %}"]
CONVERSATIONS = [["system", "user"], ["user"], ["system", "user", "assistant", "user"]]


def _file(name: str) -> str:
    return (FOLDER / f"{name}.jinja").read_text(encoding="utf-8")


KNOWN = {
    "tiny ChatML": CHATML,
    "Qwen2": _file("qwen2"),
    "Qwen2.5": _file("qwen2.5"),
    "SmolLM2": _file("smollm2"),
    "Llama 3": _file("llama-3"),
    "Llama 3.1": _file("llama-3.1"),
    "Phi-3.5": _file("phi-3.5"),
    "tiny Phi-3.5": PHI35,
    "no system role": _file("drops-system"),
    "plain": PLAIN_TEMPLATE,
}


def test_the_trim_knows_every_blank() -> None:
    """The characters that it takes away are those that Python's strip does, listed by their length in UTF-8."""
    blanks = [chr(code) for code in range(0x110000) if chr(code).isspace()]
    listed = re.findall(r"slice \$rest 0 (\d)\)((?: \"\\u[0-9a-f]{4}\")+)", TRIM)
    found = {int(size): {chr(int(code, 16)) for code in re.findall("u([0-9a-f]{4})", codes)} for size, codes in listed}
    assert found == {size: {b for b in blanks if len(b.encode("utf-8")) == size} for size in (1, 2, 3)}
    assert set().union(*found.values()) == set(blanks)


@pytest.mark.parametrize("template", KNOWN.values(), ids=KNOWN)
@pytest.mark.parametrize("roles", CONVERSATIONS, ids=lambda roles: "-".join(roles))
@pytest.mark.parametrize("adds_bos", [True, False])
def test_same_text_as_the_models_own(template: str, roles: list[str], adds_bos: bool) -> None:
    """The format writes what the Jinja template does, defaults and trimming included."""
    chat = make_chat(chat_template=template, bos_token="<bos>")
    found, fault = chat_format(chat, server_adds_bos=adds_bos)
    assert fault == ""
    for text in TEXTS:
        messages = [{"role": role, "content": text.replace("ROLE", role)} for role in roles]
        bos = "" if adds_bos else "<bos>"
        assert found.render(messages) == render_chat(template, messages, bos_token=bos, eos_token="</s>")


def test_default_system_message() -> None:
    """What Qwen2 and SmolLM2 put in front of a conversation without a system message stands in the TEMPLATE."""
    for name in ("qwen2", "smollm2"):
        found, _ = chat_format(make_chat(chat_template=_file(name)), server_adds_bos=False)
        assert "You are a helpful" in go(found)


def test_no_template() -> None:
    """A model without a chat template has the plain format, which is no fault."""
    found, fault = chat_format(make_chat(), server_adds_bos=False)
    assert fault == ""
    assert found.render([{"role": "user", "content": "hi"}]) == "User: hi\nAssistant:"


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages | tojson }}",
        "{{ 1 / 0 }}",
        "{% for m in messages %}{{ m.content | upper }}{% endfor %}",
        "constant",
    ],
)
def test_unknown(template: str) -> None:
    """A template that does more than stand between texts gives the plain format, and says so."""
    found, fault = chat_format(make_chat(chat_template=template), server_adds_bos=False)
    assert "plain format" in fault
    assert found.joints["user", ""] == "\nAssistant:"


def test_only_nearly_the_same() -> None:
    """Gemma trims the system and the user text as one; that is reported, and all else is kept."""
    found, fault = chat_format(make_chat(chat_template=_file("gemma")), server_adds_bos=False)
    assert "whitespace" in fault
    assert found.joints["", "system"] == "<start_of_turn>user\n"


def test_go_is_written_out() -> None:
    """Joints as they are, the trim only where it is needed, and braces of the model's own as text."""
    found, _ = chat_format(make_chat(chat_template=_file("phi-3.5")), server_adds_bos=False)
    assert "<|end|>\n<|assistant|>\n" in go(found)
    assert TRIM not in go(found)
    assert TRIM in go(chat_format(make_chat(chat_template=_file("llama-3")), server_adds_bos=False)[0])
    braces = chat_format(make_chat(chat_template=CHATML.replace("assistant\\n", "{{")), server_adds_bos=False)[0]
    assert '{{ "{{" }}' in go(braces) or "{{" not in braces.joints["user", ""]
