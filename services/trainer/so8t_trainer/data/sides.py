"""Marks rows with the side that the name of their file or Hub split says."""

from __future__ import annotations

from collections.abc import Mapping


def with_side(raw: object, side: str | None) -> object:
    """Return the row assigned to this side, unless the row itself specifies one."""
    if side is None or not isinstance(raw, Mapping) or raw.get("split"):
        return raw
    return {**raw, "split": side}
