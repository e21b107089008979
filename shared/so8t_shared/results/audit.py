"""What `so8t-ab audit verify --json` and `audit find --json` print."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from so8t_shared.documents import Document, Part

FaultKind = Literal[
    "changed", "missing", "reordered", "duplicated", "truncated", "torn", "rewritten", "erased", "not erased", "anchor"
]


class AuditFault(Part):
    """One thing that is not as it was written."""

    kind: FaultKind
    segment: str = Field(description="File name; of an anchor, its key.")
    line: int = Field(description="Line in that file, from 1; 0 if the fault is in no line.")
    n: int | None = Field(description="Number of the line in the whole log, if it is known.")
    what: str


class AuditProof(Document):
    """What was checked, and what was found."""

    schema_version: Literal[1] = 1
    folder: str
    log: str = Field(description="Name that the log has in the store.")
    segments: int
    lines: int
    first: int = Field(description="Number of the first line that is left.")
    last: int
    requests: int
    erased: int = Field(description="Lines whose persons were erased.")
    anchors: int | None = Field(description="Anchors compared; null if none were.")
    anchored: int | None = Field(description="The last line with an anchor; a cut behind it would not be noticed.")
    other_logs: list[str] = Field(description="Other logs with anchors in the same store.")
    faults: list[AuditFault]


class AuditedLine(Part):
    """A line of one user."""

    segment: str
    n: int
    facts: dict[str, bool | int | float | str | None]


class AuditFound(Document):
    """The lines of one user."""

    schema_version: Literal[1] = 1
    folder: str
    lines: list[AuditedLine]
    damaged: list[AuditFault] = Field(description="Lines that cannot be read, so that nobody knows whose they are.")


class AuditErased(Document):
    """What was erased of one user."""

    schema_version: Literal[1] = 1
    folder: str
    erased: int = Field(description="Lines.")
    damaged: list[AuditFault] = Field(description="As in `AuditFound`; they were left alone.")
