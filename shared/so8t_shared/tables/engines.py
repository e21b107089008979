"""Inference engines; each row names functions of the evaluator, see functions.py."""

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
    """Takes (configuration, callback while waiting), returns an `Engine`; loads nothing yet."""
    in_process: bool = False
    """Whether each process that asks has its own; then several processes can share the rows."""
    prepare: str = ""
    """Extra work of the import stage, such as uploading models to a server. Takes (stage context, registry, files by
    name), returns the completed registry."""
    check: str = ""
    """Quick check before a run: takes the configuration, returns notes."""
    models_folder: str = ""
    """Where it keeps copies of the models: takes the configuration; returns a folder, or None if not on this host."""


ROWS: tuple[Row, ...] = (
    Row("embedded", "llama.cpp in a child process", "so8t_engines.embedded.engine:open_embedded", in_process=True),
    Row(
        "ollama",
        "the server at ollama.host",
        "so8t_engines.ollama.opening:open_ollama",
        prepare="so8t_engines.ollama.opening:put_on_server",
        check="so8t_engines.ollama.opening:check",
        models_folder="so8t_engines.ollama.opening:models_folder",
    ),
)

BY_NAME = {row.name: row for row in ROWS}
IN_PROCESS = next(row.name for row in ROWS if row.in_process)
"""The engine that runs any GGUF file without a server."""

if TYPE_CHECKING:
    EngineName = str
else:
    EngineName = Literal[tuple(BY_NAME)]
