"""Values in sections of sections, by dotted key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def value_at(raw: Mapping[str, Any], dotted: str) -> Any:
    """The value of a dotted key; None if it is not there."""
    node: Any = raw
    for part in dotted.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` with the values of `over`, section by section."""
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def assign(raw: dict[str, Any], dotted: str, value: Any) -> None:
    """Set the value of a dotted key, with the sections around it; a value in their place is replaced."""
    *sections, key = dotted.split(".")
    node = raw
    for section in sections:
        child = node.setdefault(section, {})
        if not isinstance(child, dict):
            child = node[section] = {}
        node = child
    node[key] = value
