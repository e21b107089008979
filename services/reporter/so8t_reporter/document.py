"""The report before it becomes Markdown or HTML: sections of blocks of plain text.

All strings are plain text and the two renderers escape them, so both reports always say the same thing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from so8t_shared.results.interval import Interval

Tone = Literal["", "a", "b", "good", "bad", "muted", "strong"]
Scale = Literal["share", "difference"]


@dataclass(frozen=True)
class Cell:
    """One cell of a table; an interval is drawn beside its text if the format supports it."""

    text: str
    tone: Tone = ""
    interval: Interval | None = None
    scale: Scale = "share"
    reach: float = 1.0
    """Where a difference's track ends on both sides; a share's track always runs from 0 to 1."""

    @property
    def track(self) -> tuple[float, float, float, float] | None:
        """The drawn interval as (low, value, high, zero) in percent of its track's width."""
        if self.interval is None:
            return None
        shift, span = (0.0, 1.0) if self.scale == "share" else (self.reach, 2 * self.reach)
        low, value, high, zero = (
            round(min(100.0, max(0.0, 100 * (x + shift) / span)), 2)
            for x in (self.interval.low, self.interval.value, self.interval.high, 0.0)
        )
        return low, value, high, zero


@dataclass(frozen=True)
class Column:
    """The heading of a table column."""

    name: str
    numeric: bool = True


@dataclass(frozen=True)
class Table:
    """A table with a caption; every row has one cell per column."""

    caption: str
    columns: list[Column]
    rows: list[list[Cell]]
    note: str = ""
    folded: bool = False
    """Collapsed by default if the format supports it."""
    kind: Literal["table"] = "table"


@dataclass(frozen=True)
class Facts:
    """Names and values, such as training settings."""

    items: list[tuple[str, str]]
    kind: Literal["facts"] = "facts"


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    text: str
    tone: Tone = ""
    kind: Literal["paragraph"] = "paragraph"


@dataclass(frozen=True)
class Notes:
    """Titles, each with an explanation."""

    items: list[tuple[str, str]]
    kind: Literal["notes"] = "notes"


@dataclass(frozen=True)
class Code:
    """Text shown verbatim."""

    caption: str
    text: str
    folded: bool = False
    kind: Literal["code"] = "code"


@dataclass(frozen=True)
class PictureBlock:
    """The place of the named picture; nothing is shown if it was not drawn."""

    name: str
    kind: Literal["picture"] = "picture"


@dataclass(frozen=True)
class FileLink:
    """A file beside the report, and a description of its content."""

    path: str
    """Relative to the report's folder, with forward slashes."""
    text: str
    kind: Literal["file"] = "file"


Block = Table | Facts | Paragraph | Notes | Code | PictureBlock | FileLink


@dataclass(frozen=True)
class Section:
    """A part of the report with a heading."""

    anchor: str
    title: str
    blocks: list[Block]


@dataclass(frozen=True)
class GateLine:
    """One clause of the gate on the first screen."""

    result: str
    tone: Tone
    name: str
    reason: str
    required: bool


@dataclass(frozen=True)
class FirstScreen:
    """What a reader needs to decide about B."""

    decisions: Table
    gate: list[GateLine]
    """The clauses that do not pass."""
    passed: list[str]
    """Names of the clauses that pass."""
    gate_words: str
    gate_tone: Tone
    against: list[str]
    """Other figures that speak against B, one sentence each."""
    next_steps: list[str]
    """What the figures suggest, one sentence each."""
    explorer: FileLink


@dataclass(frozen=True)
class Picture:
    """A picture, as bytes for embedding in the HTML report and as a file for everything else."""

    name: str
    title: str
    caption: str
    alt: str
    path: str
    """The file, relative to the report's folder, with forward slashes."""
    media_type: str
    light: bytes
    """For embedding; identical to the file if its format can be embedded."""
    dark: bytes
    width: int
    height: int
    """Display size in CSS pixels."""
    narrow: bytes = b""
    """The same with its panels in one column, for embedding on phones."""
    narrow_dark: bytes = b""


@dataclass(frozen=True)
class Report:
    """Everything that the Markdown and HTML reports show; marks stand for the session, as another one may reuse it."""

    title: str
    headline: str
    summary: str
    tone: Tone
    dated: str
    """Date and session, beside the title."""
    models: list[tuple[str, str, str]]
    """Letter, name, description."""
    first: FirstScreen
    provenance: list[tuple[str, str]]
    """Session, date, versions and digests."""
    sections: list[Section]
    pictures: dict[str, Picture] = field(default_factory=dict)
