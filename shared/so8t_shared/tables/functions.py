"""Functions that a table names as 'module:function', so that no service is imported before it is needed."""

from __future__ import annotations

import importlib
from typing import Any

from so8t_shared.distribution import missing_packages


def named(target: str) -> Any:
    """The function; None if `target` is empty, or if packages that its service imports are not installed."""
    module, _, name = target.partition(":")
    if not target or missing_packages(module.partition(".")[0]):
        return None
    return getattr(importlib.import_module(module), name)
