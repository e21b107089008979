"""The choice of decoder layers that have gates: `all`, `4-11`, `0,4-11` or a list of numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from so8t_shared.errors import ConfigError

ALL = "all"
MOST_LAYERS = 10_000
"""More than any model has; a config.json may name more."""
_RANGE = re.compile(r"(\d{1,4})(?:-(\d{1,4}))?")


def _parse(value: Any) -> str:
    """Return the choice in its one spelling, so that equal choices give equal fingerprints."""
    if isinstance(value, str) and value.strip().lower() == ALL:
        return ALL
    words = value if isinstance(value, (list, tuple)) else str(value).split(",")
    numbers: set[int] = set()
    for word in words:
        match = None if isinstance(word, bool) else _RANGE.fullmatch(str(word).replace(" ", ""))
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise ValueError("write all, a range such as 4-11, or a list such as [4, 5]; layers are counted from 0")
        numbers.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    if not numbers:
        raise ValueError("name at least one layer; so8t.enabled: false trains without gates")
    return compact(numbers)


def compact(numbers: Iterable[int]) -> str:
    """Return layer numbers as ranges, such as `0,4-11`."""
    runs = groupby(enumerate(sorted(numbers)), key=lambda pair: pair[1] - pair[0])
    spans = [[number for _, number in run] for _, run in runs]
    return ",".join(str(span[0]) if len(span) == 1 else f"{span[0]}-{span[-1]}" for span in spans)


def chosen_layers(choice: str, present: Sequence[int], total: int, key: str = "training.so8t.layers") -> list[int]:
    """Return the layers of a model with `total` layers that `choice` names; only those `present` can have a gate.

    Raises:
        ConfigError: a layer does not exist or cannot have a gate.
    """
    if choice == ALL:
        return list(present)
    chosen = list(_numbers(choice))
    absent = sorted(set(chosen) - set(present))
    if absent:
        raise ConfigError(
            f"The model has no attention layer {compact(absent)}: it has {total} layers, counted from 0.",
            where=f"{key} = {choice}",
            remedy=f"use layers from {compact(present)}",
        )
    return chosen


def _numbers(choice: str) -> Iterator[int]:
    for word in choice.split(","):
        first, _, last = word.partition("-")
        yield from range(int(first), int(last or first) + 1)


_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]}
Layers = Annotated[str, BeforeValidator(_parse), WithJsonSchema(_SCHEMA)]
