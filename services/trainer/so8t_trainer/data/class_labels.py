"""Columns that store a class as a number, like ClassLabel of the `datasets` package: only the name counts.

The numbers follow the author's order of the classes, often alphabetical, where DENY is 1; here ESCALATION is 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def with_class_names(raw: Mapping[str, Any], features: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row with names instead of numbers in its ClassLabel columns, including columns inside structs.

    `features` is the JSON form of a data set's Features: column to {"_type": "ClassLabel", "names": [...]}, or for a
    struct a nested mapping. `datasets` writes -1 for a missing class, so it becomes None.
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
