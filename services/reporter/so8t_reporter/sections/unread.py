"""Examples of answers without a class, so that the reader sees what went wrong with them."""

from __future__ import annotations

from so8t_reporter.document import Cell, Column, Paragraph, Section, Table
from so8t_reporter.inputs import ReportInputs
from so8t_shared.escapes import visible
from so8t_shared.labels import INVALID
from so8t_shared.results.answers import Sample
from so8t_shared.tables.quantizations import ORDER

SHOWN = 3
"""Examples of each model, quantization and scoring."""
TEXT_LENGTH = 300
"""Maximum characters of an answer in an example."""

Group = tuple[str, str, str]


def unread_sections(inputs: ReportInputs) -> list[Section]:
    """Some unread answers of every setting; no section if all were read."""
    groups: dict[Group, list[Sample]] = {}
    for sample in inputs.samples:
        if sample.predicted == INVALID:
            groups.setdefault((sample.model, sample.quantization, sample.scoring), []).append(sample)
    if not groups:
        return []
    intro = (
        "What the models wrote, outside their thinking and without personal data and secrets, where no class could be"
        " read. A class under “Leniently” is what a person would understand; it counts nowhere."
    )
    ordered = sorted(groups.items(), key=lambda item: ORDER.index(item[0][1]))  # the most precise first
    rows = [row for group, samples in ordered for row in _rows(group, samples)]
    names = ("Model", "Quantization", "Scoring", "Unread", "Correct class", "Wrote", "Leniently", "Row")
    columns = [Column(name, numeric=name == "Unread") for name in names]
    table = Table(f"Up to {SHOWN} unread answers of each setting", columns, rows, folded=True)
    return [Section("unread", "Answers without a class", [Paragraph(intro), table])]


def _rows(group: Group, samples: list[Sample]) -> list[list[Cell]]:
    model, quantization, scoring = group
    return [
        [
            Cell(model.upper()),
            Cell(quantization),
            Cell(scoring),
            Cell(f"{len(samples):,}"),
            Cell(sample.gold, "strong"),
            _wrote(sample),
            Cell("" if sample.lenient == INVALID else sample.lenient),
            Cell(sample.row_id, "muted"),
        ]
        for sample in samples[:SHOWN]
    ]


def _wrote(sample: Sample) -> Cell:
    if sample.text:
        text = visible(" ".join(sample.text.split()))
        return Cell(text if len(text) <= TEXT_LENGTH else f"{text[: TEXT_LENGTH - 1]}…")
    if sample.over_long:
        return Cell("(over-long, not asked)", "muted")
    return Cell("(thinking only)" if sample.thinking_chars else "(nothing kept)", "muted")
