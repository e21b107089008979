"""Ollama's TEMPLATE (Go syntax), derived from a model's own chat template (Jinja) by its format (`chat_format`).

A template without such a format cannot be represented; the plain format is used instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from so8t_shared.models.chat_format import NOBODY, ChatFormat, Messages, find_format, keeps_blanks
from so8t_shared.models.prompts import PLAIN_TEMPLATE, render_chat
from so8t_shared.results.conversion import ChatInfo


def _trim() -> str:
    lines = files("so8t_evaluator").joinpath("trim.gotmpl").read_text(encoding="utf-8").splitlines()
    return "".join(line.strip() for line in lines if not line.startswith("{{/*"))


TRIM = _trim()
"""Python's strip in Go's template language; trim.gotmpl explains how it works."""


def go(found: ChatFormat) -> str:
    """Return the format in Go's template language."""
    joint = {pair: text.replace("{{", '{{ "{{" }}') for pair, text in found.joints.items()}
    return (
        (TRIM if found.trimmed else "")
        + '{{- $last := "" }}{{ range .Messages }}{{ if eq .Role "system" }}'
        + joint[NOBODY, "system"]
        + _text(found, "system")
        + '{{ else if eq .Role "user" }}'
        + _by_last({role: joint[role, "user"] for role in ("system", "assistant", NOBODY)})
        + _text(found, "user")
        + "{{ else }}"
        + joint["user", "assistant"]
        + _text(found, "assistant")
        + "{{ end }}{{ $last = .Role }}{{ end }}"
        + joint["user", NOBODY]
    )


def chat_format(chat: ChatInfo, *, server_adds_bos: bool) -> tuple[ChatFormat, str]:
    """Return (format, its fault or ""); a template that cannot be represented gives the plain format."""

    def render(messages: Messages) -> str:
        bos = "" if server_adds_bos else chat.bos_token
        return render_chat(chat.chat_template or PLAIN_TEMPLATE, messages, bos_token=bos, eos_token=chat.eos_token)

    found = find_format(render)
    if found is None:
        return _plain(), "its chat template cannot be expressed in Ollama's template language; a plain format is used"
    if not keeps_blanks(found, render):
        return found, "its chat template treats whitespace around a text in a way that Ollama cannot"
    return found, ""


def _plain() -> ChatFormat:
    found = find_format(lambda messages: render_chat(PLAIN_TEMPLATE, messages))
    if found is None:  # it is our own template
        raise AssertionError("the plain template is not representable")
    return found


def _text(found: ChatFormat, role: str) -> str:
    return '{{ template "trim" .Content }}' if role in found.trimmed else "{{ .Content }}"


def _by_last(joints: Mapping[str, str]) -> str:
    """Return a branch on the role of the previous message; no branch if the role makes no difference."""
    if len(set(joints.values())) == 1:
        return next(iter(joints.values()))
    return (
        f'{{{{ if eq $last "system" }}}}{joints["system"]}'
        f'{{{{ else if eq $last "assistant" }}}}{joints["assistant"]}{{{{ else }}}}{joints[NOBODY]}{{{{ end }}}}'
    )
