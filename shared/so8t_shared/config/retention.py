"""Section ab_test.retention: what model B must not forget."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from so8t_shared.config.drives import HostPath
from so8t_shared.config.gate import Clause
from so8t_shared.config.section import Section

SHIPPED = "shipped"
"""Value of ab_test.retention.rows that names no file."""


class Retention(Section):
    """Neutral prompts whose reference answers must stay as likely."""

    rows: HostPath = Field(SHIPPED, description="JSONL/YAML of {prompt, reference, kind, language}; shipped: 60 items.")
    margin: float = Field(0.1, gt=0, description="Nats per token B may lose; 0.1: 10% perplexity.")
    required: bool = Field(True, description="To ship.")

    @property
    def clause(self) -> Clause:
        """The clause that it adds to the gate."""
        name = "B keeps its other abilities"
        return Clause(name=name, metric="retention", margin=self.margin, required=self.required)


def section_of_rows(value: Any) -> Any:
    """Accept the rows alone instead of a section."""
    return {"rows": value} if isinstance(value, str) else value


def write_out(raw: dict[str, Any]) -> None:
    """Make a section of rows alone, so that a stronger key keeps them, and a path of another host is found."""
    test = raw.get("ab_test")
    if isinstance(test, dict) and "retention" in test:
        test["retention"] = section_of_rows(test["retention"])
