"""Compares what was computed again with what a bundle says."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from so8t_shared.results.bundle import BundleFault

_RELATIVE, _ABSOLUTE = 1e-9, 1e-12
"""Another processor or library may round the last bits of a sum in another way; what people read has four digits."""
_SHOWN = 60


@dataclass(frozen=True)
class Recomputed:
    """What a service found when it computed its results again."""

    faults: list[BundleFault] = field(default_factory=list)
    values: int = 0
    """Numbers, words and flags that were compared."""
    gate: str = ""


def differences(recorded: Any, computed: Any, where: str) -> Iterator[BundleFault]:
    """A fault for each value that differs; `where` is the file, and the place in it is appended."""
    for place, old, new in _differences(recorded, computed, ""):
        yield BundleFault(
            where=f"{where}: {place.lstrip('.') or 'all of it'}",
            what=f"it says {_shown(old)}, and the answers give {_shown(new)}",
        )


def _differences(recorded: Any, computed: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(recorded, dict) and isinstance(computed, dict):
        for key in sorted({*recorded, *computed}):
            yield from _differences(recorded.get(key), computed.get(key), f"{place}.{key}")
    elif isinstance(recorded, list) and isinstance(computed, list) and len(recorded) == len(computed):
        for number, pair in enumerate(zip(recorded, computed, strict=True)):
            yield from _differences(*pair, f"{place}[{number}]")
    elif not _same(recorded, computed):
        yield place, recorded, computed


def values_in(found: Any) -> int:
    """Number of values in a JSON document."""
    if isinstance(found, dict | list):
        return sum(map(values_in, found.values() if isinstance(found, dict) else found))
    return 1


def _same(recorded: Any, computed: Any) -> bool:
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (recorded, computed))
    if numbers and float in {type(recorded), type(computed)}:
        return math.isclose(recorded, computed, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
    return type(recorded) is type(computed) and bool(recorded == computed)


def _shown(value: Any) -> str:
    text = f"{len(value)} entries" if isinstance(value, dict | list) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
