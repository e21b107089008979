"""Layouts of output_base_dir: which models a run hands over, and where.

In the folders, {session}, {side} (a or b) and {modelfile_dir} stand for their values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

REPORT = "ab_test_results/complete_so8t_ab_test_{session}"
"""Folder of a session's report, in every layout."""


@dataclass(frozen=True)
class Row:
    """One layout."""

    name: str
    summary: str
    """For the configuration's description, after the name."""
    sides: str
    """Models that are handed over."""
    models: str
    """Folder for their GGUF files."""
    modelfiles: str
    """Folder for their Modelfiles."""

    @property
    def linked(self) -> bool:
        """Whether the sessions' copies of a model are links to one file, which then cannot name a session."""
        return "{session}" in self.models


ROWS: tuple[Row, ...] = (
    Row("session", "model B beside its report", "b", f"{REPORT}/models", f"{REPORT}/models"),
    Row(
        "original",
        "both models in gguf_models, replaced by each run",
        "ab",
        "gguf_models/model_{side}",
        "{modelfile_dir}",
    ),
    Row("report", "none", "", "", ""),
)

BY_NAME = {row.name: row for row in ROWS}

if TYPE_CHECKING:
    LayoutName = str
else:
    LayoutName = Literal[tuple(BY_NAME)]
