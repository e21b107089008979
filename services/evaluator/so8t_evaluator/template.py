"""Ollama's TEMPLATE (Go syntax) for the chat families that are known.

Ollama's own guess is wrong for Phi-3.5, so a template is always written. Each is made for a list of
messages with an optional system turn, as this project asks.
"""

from __future__ import annotations

from dataclasses import dataclass

from so8t_shared.results import ChatInfo


@dataclass(frozen=True)
class Family:
    """A chat format: how to recognise it in a Jinja template, and the same in Go."""

    name: str
    marker: str
    template: str


_CHATML = "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
_LLAMA_3 = (
    "{{- range .Messages }}<|start_header_id|>{{ .Role }}<|end_header_id|>\n\n{{ .Content }}<|eot_id|>{{ end }}"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)
_PHI_3 = "{{- range .Messages }}<|{{ .Role }}|>\n{{ .Content }}<|end|>\n{{ end }}<|assistant|>\n"
_PLAIN = (
    '{{- range .Messages }}{{ if eq .Role "system" }}System{{ else if eq .Role "user" }}User'
    "{{ else }}Assistant{{ end }}: {{ .Content }}\n{{ end }}Assistant:"
)

FAMILIES = (
    Family("ChatML", "<|im_start|>", _CHATML),
    Family("Llama 3", "<|start_header_id|>", _LLAMA_3),
    Family("Phi-3", "<|end|>", _PHI_3),
)
PLAIN = Family("plain", "", _PLAIN)


def family_of(chat: ChatInfo) -> Family:
    """The family of a model's chat template; plain for none or an unknown one."""
    template = chat.chat_template or ""
    return next((family for family in FAMILIES if family.marker in template), PLAIN)
