"""Columns that hold a class as a number, as the `datasets` package keeps them (ClassLabel): only the name counts.

Its numbers follow the author's own order of the classes, often the alphabet's, where DENY is 1; here ESCALATION is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def with_class_names(raw: Mapping[str, Any], features: Mapping[str, Any]) -> dict[str, Any]:
    """The row with names for the numbers of its ClassLabel columns, those inside structs included.

    `features` is the JSON form of a data set's Features: column to {"_type": "ClassLabel", "names": [...]}, or for a
    struct a mapping of the same kind. -1 is how `datasets` writes a missing class, so it becomes None.
    """
    return {name: _named(value, features.get(name)) for name, value in raw.items()}


def _named(value: Any, feature: Any) -> Any:
    if not isinstance(feature, Mapping):
        return value
    if isinstance(value, Mapping):
        return with_class_names(value, feature)
    names = feature.get("names") if feature.get("_type") == "ClassLabel" else None
    if not names or not isinstance(value, int):
        return value
    if value == -1:
        return None
    return names[value] if 0 <= value < len(names) else f"class {value} of {len(names)}"
