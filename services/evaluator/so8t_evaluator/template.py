"""Ollama's TEMPLATE (Go syntax), derived from a model's own chat template (Jinja).

The Jinja template is rendered for conversations of marked turns. The text between two marks, by the roles
on either side, is the format. This works for any model family, and also finds what a template adds by
itself (Qwen2: a default system message; Llama 3: trimming of every text). A template whose text does not
depend only on neighboring roles cannot be represented; the plain format is used instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files

from so8t_shared.errors import InputError
from so8t_shared.models.prompts import PLAIN_TEMPLATE, render_chat
from so8t_shared.results.conversion import ChatInfo

Messages = list[dict[str, str]]
Render = Callable[[Messages], str]

_NOBODY = ""
_ROLES = ("system", "user", "assistant")
_CONVERSATIONS = (
    ("system", "user"),
    ("user",),
    ("system", "user", "assistant", "user"),
    ("user", "assistant", "user"),
)
_PADDING = "\n \u3000"
_SAMPLES = (
    "open the ROLE's door",
    "「ROLEの議事録」を見せて{{ .Content }} \"'`{% x %}",
    "two\n\nROLE\nparts",
)
_PADDED = (" \t\n\u3000両端のROLEの空白\u00a0\u2028\n ",)


def _trim() -> str:
    lines = files("so8t_evaluator").joinpath("trim.gotmpl").read_text(encoding="utf-8").splitlines()
    return "".join(line.strip() for line in lines if not line.startswith("{{/*"))


TRIM = _trim()
"""Python's strip in Go's template language; trim.gotmpl explains how it works."""


@dataclass(frozen=True)
class ChatFormat:
    """The strings between texts, by the roles before and after, and the roles whose texts are trimmed."""

    joints: Mapping[tuple[str, str], str]
    trimmed: frozenset[str]

    def render(self, messages: Messages) -> str:
        """Return the prompt that Ollama renders from messages with `go`."""
        written, last = "", _NOBODY
        for message in messages:
            role, text = message["role"], message["content"]
            written += self.joints[last, role] + (text.strip() if role in self.trimmed else text)
            last = role
        return written + self.joints[last, _NOBODY]

    def go(self) -> str:
        """Return the same format in Go's template language."""
        joint = {pair: text.replace("{{", '{{ "{{" }}') for pair, text in self.joints.items()}
        return (
            (TRIM if self.trimmed else "")
            + '{{- $last := "" }}{{ range .Messages }}{{ if eq .Role "system" }}'
            + joint[_NOBODY, "system"]
            + self._text("system")
            + '{{ else if eq .Role "user" }}'
            + _by_last({role: joint[role, "user"] for role in ("system", "assistant", _NOBODY)})
            + self._text("user")
            + "{{ else }}"
            + joint["user", "assistant"]
            + self._text("assistant")
            + "{{ end }}{{ $last = .Role }}{{ end }}"
            + joint["user", _NOBODY]
        )

    def _text(self, role: str) -> str:
        return '{{ template "trim" .Content }}' if role in self.trimmed else "{{ .Content }}"


def chat_format(chat: ChatInfo, *, server_adds_bos: bool) -> tuple[ChatFormat, str]:
    """Return (format, its fault or ""); a template that cannot be represented gives the plain format."""

    def render(messages: Messages) -> str:
        bos = "" if server_adds_bos else chat.bos_token
        return render_chat(chat.chat_template or PLAIN_TEMPLATE, messages, bos_token=bos, eos_token=chat.eos_token)

    found = _find(render)
    if found is None or not _agree(found, render, _SAMPLES):
        return _plain(), "its chat template cannot be expressed in Ollama's template language; a plain format is used"
    if not _agree(found, render, _PADDED):
        return found, "its chat template treats whitespace around a text in a way that Ollama cannot"
    return found, ""


def _plain() -> ChatFormat:
    found = _find(lambda messages: render_chat(PLAIN_TEMPLATE, messages))
    if found is None:  # it is our own template
        raise AssertionError("the plain template is not representable")
    return found


def _find(render: Render) -> ChatFormat | None:
    joints: dict[tuple[str, str], str] = {}
    for roles in _CONVERSATIONS:
        texts = [f"Q{number}{role}Q" for number, role in enumerate(roles)]
        between = _between(render, roles, texts, texts)
        if between is None:
            return None
        for pair, text in zip(_pairs(roles), between, strict=True):
            if joints.setdefault(pair, text) != text:
                return None
    return ChatFormat(joints, frozenset(role for role in _ROLES if _is_trimmed(render, role, joints)))


def _is_trimmed(render: Render, role: str, joints: Mapping[tuple[str, str], str]) -> bool:
    roles = _CONVERSATIONS[2]
    marks = [f"Q{number}{name}Q" for number, name in enumerate(roles)]
    at = roles.index(role)
    texts = [_PADDING + mark + _PADDING if number == at else mark for number, mark in enumerate(marks)]
    between = _between(render, roles, texts, marks)
    return between is not None and between[at : at + 2] == [joints[pair] for pair in _pairs(roles)[at : at + 2]]


def _between(render: Render, roles: tuple[str, ...], texts: list[str], marks: list[str]) -> list[str] | None:
    """Return the text around the marks; None unless each mark appears once and in order."""
    try:
        rest = render([{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)])
    except InputError:
        return None
    between = []
    for mark in marks:
        before, found, rest = rest.partition(mark)
        if not found or mark in rest:
            return None
        between.append(before)
    return [*between, rest]


def _pairs(roles: tuple[str, ...]) -> list[tuple[str, str]]:
    return list(zip((_NOBODY, *roles), (*roles, _NOBODY), strict=True))


def _agree(found: ChatFormat, render: Render, samples: tuple[str, ...]) -> bool:
    conversations = [
        [{"role": role, "content": text.replace("ROLE", role)} for role in roles]
        for roles in _CONVERSATIONS
        for text in samples
    ]
    return all(found.render(messages) == render(messages) for messages in conversations)


def _by_last(joints: Mapping[str, str]) -> str:
    """Return a branch on the role of the previous message; no branch if the role makes no difference."""
    if len(set(joints.values())) == 1:
        return next(iter(joints.values()))
    return (
        f'{{{{ if eq $last "system" }}}}{joints["system"]}'
        f'{{{{ else if eq $last "assistant" }}}}{joints["assistant"]}{{{{ else }}}}{joints[_NOBODY]}{{{{ end }}}}'
    )
