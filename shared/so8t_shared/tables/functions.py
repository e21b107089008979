"""Functions that a table names as 'module:function', so that nothing of a service is imported before it is needed."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any


def named(target: str) -> Any:
    """The function; None where `target` is empty, or its service is not installed here (a container has one)."""
    module, _, name = target.partition(":")
    if not target or importlib.util.find_spec(module.partition(".")[0]) is None:
        return None
    return getattr(importlib.import_module(module), name)
