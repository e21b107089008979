"""The engines that answer; each row names functions of the evaluator, see functions.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal


@dataclass(frozen=True)
class Row:
    """One engine."""

    name: str
    summary: str
    """For the configuration's description, after the name."""
    open: str
    """(configuration, told while it waits) to an `Engine`; nothing is loaded yet."""
    prepare: str = ""
    """What the stage import does beyond the registry, such as putting the models on a server: (context of the stage,
    registry, files by name) to the registry with what was learned."""
    check: str = ""
    """A light look before a run: configuration to notes."""


ROWS: tuple[Row, ...] = (
    Row("embedded", "llama.cpp in a process of our own", "so8t_evaluator.engine.embedded:open_embedded"),
    Row(
        "ollama",
        "the server at ollama.host",
        "so8t_evaluator.ollama.opening:open_ollama",
        prepare="so8t_evaluator.ollama.opening:put_on_server",
        check="so8t_evaluator.ollama.opening:check",
    ),
)

BY_NAME = {row.name: row for row in ROWS}

if TYPE_CHECKING:
    EngineName = str
else:
    EngineName = Literal[tuple(BY_NAME)]
