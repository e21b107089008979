"""Names of thinking roles and their tags: the only place that maps one to the other.

A plain name is short for `<think-name>`. Any other tag keeps its own name, in angle brackets: the role `task` stands
between `<think-task>` and `</think-task>`, the role `<think>` between `<think>` and `</think>`.
"""

from __future__ import annotations

_PREFIX = "think-"


def tag_of(role: str) -> str:
    """Return the name of the tag around a role's text, without brackets."""
    return role[1:-1] if role.startswith("<") else _PREFIX + role


def role_of(tag: str) -> str:
    """Return the role whose text stands inside this tag."""
    name = tag.lower()
    return name.removeprefix(_PREFIX) if name.startswith(_PREFIX) and name != _PREFIX else f"<{name}>"


def written(thinking: dict[str, str]) -> str:
    """Return the roles' texts in their tags, in their order; empty ones are omitted."""
    return "".join(f"<{tag_of(role)}>{text}</{tag_of(role)}>" for role, text in thinking.items() if text)
