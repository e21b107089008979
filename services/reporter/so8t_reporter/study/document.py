"""The report of a study before it becomes Markdown or HTML, see so8t_reporter.document."""

from __future__ import annotations

from dataclasses import dataclass

from so8t_reporter.document import Picture, Section, Tone


@dataclass(frozen=True)
class StudyReport:
    """Plain text, which the renderers escape."""

    title: str
    headline: str
    tone: Tone
    summary: str
    findings: list[str]
    """One sentence each: declared comparisons, then what a reader must not miss."""
    arms: list[tuple[str, str]]
    """Name, description."""
    sections: list[Section]
    pictures: dict[str, Picture]
    provenance: list[tuple[str, str]]
