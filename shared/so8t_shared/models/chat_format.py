"""How a chat template puts texts together, found by rendering conversations of marked turns.

The text between two marks, by the roles on either side, is the format. This works for any model family and any template
language, and also finds what a template adds by itself (Qwen2: a default system message; Llama 3: trimming of every
text). A template whose text does not depend only on neighboring roles has no such format.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from so8t_shared.errors import InputError

Messages = list[dict[str, str]]
Render = Callable[[Messages], str]

NOBODY = ""
"""The role before the first message, and after the last."""
_CONVERSATIONS: tuple[tuple[str, ...], ...] = (
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


@dataclass(frozen=True)
class ChatFormat:
    """The strings between texts, by the roles before and after, and the roles whose texts are trimmed."""

    joints: Mapping[tuple[str, str], str]
    trimmed: frozenset[str]

    def render(self, messages: Messages) -> str:
        """Return the prompt for messages, up to the model's turn."""
        written, last = "", NOBODY
        for message in messages:
            role, text = message["role"], message["content"]
            written += self.joints[last, role] + (text.strip() if role in self.trimmed else text)
            last = role
        return written + self.joints[last, NOBODY]

    def jinja(self) -> str:
        """Return the same format as a chat template.

        It rejects roles in another order. Without a joint for the system role, it leaves system messages out.
        """
        joints: dict[str, dict[str, str]] = {}
        for (before, after), text in self.joints.items():
            joints.setdefault(before, {})[after] = text
        messages = "messages" if "system" in joints else "messages if m.role != 'system'"
        text = f"m.content | trim if m.role in {json.dumps(sorted(self.trimmed))} else m.content"
        return (
            f"{{% set joints = {json.dumps(joints, ensure_ascii=False)} %}}{{% set at = namespace(role='') %}}"
            f"{{% for m in {messages} %}}"
            "{% if m.role not in joints[at.role] %}{{ raise_exception('unexpected role') }}{% endif %}"
            f"{{{{ joints[at.role][m.role] }}}}{{{{ {text} }}}}{{% set at.role = m.role %}}{{% endfor %}}"
            "{% if add_generation_prompt %}{{ joints[at.role][''] }}{% endif %}"
        )


def find_format(render: Render, *, system: bool = True) -> ChatFormat | None:
    """Return the format by which `render` puts messages together; None if it has none.

    Without `system`, conversations have no system message.
    """
    conversations = [roles for roles in _CONVERSATIONS if system or "system" not in roles]
    joints: dict[tuple[str, str], str] = {}
    for roles in conversations:
        texts = [f"Q{number}{role}Q" for number, role in enumerate(roles)]
        between = _between(render, roles, texts, texts)
        if between is None:
            return None
        for pair, text in zip(_pairs(roles), between, strict=True):
            if joints.setdefault(pair, text) != text:
                return None
    longest = max(conversations, key=len)
    trimmed = frozenset(role for role in dict.fromkeys(longest) if _is_trimmed(render, role, longest, joints))
    found = ChatFormat(joints, trimmed)
    return found if _agree(found, render, conversations, _SAMPLES) else None


def keeps_blanks(found: ChatFormat, render: Render) -> bool:
    """Whether the format also agrees with `render` on texts that begin and end with whitespace."""
    system = (NOBODY, "system") in found.joints
    return _agree(found, render, [roles for roles in _CONVERSATIONS if system or "system" not in roles], _PADDED)


def _is_trimmed(render: Render, role: str, roles: tuple[str, ...], joints: Mapping[tuple[str, str], str]) -> bool:
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
    return list(zip((NOBODY, *roles), (*roles, NOBODY), strict=True))


def _agree(found: ChatFormat, render: Render, kinds: list[tuple[str, ...]], samples: tuple[str, ...]) -> bool:
    conversations = [
        [{"role": role, "content": text.replace("ROLE", role)} for role in roles] for roles in kinds for text in samples
    ]
    return all(found.render(messages) == render(messages) for messages in conversations)
