"""The comparison by language and by category: where B gained and lost."""

from __future__ import annotations

from typing import Literal

from so8t_reporter.document import Cell, Section
from so8t_reporter.inputs import ReportInputs
from so8t_reporter.sections.paired import EXPLORATORY, paired_table
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.paired import Slice

By = Literal["language", "category"]


def slices_sections(inputs: ReportInputs) -> list[Section]:
    """Return a section per kind of slice; none for a kind in which all rows are the same."""
    kinds: tuple[By, By] = ("language", "category")
    sections = [(by, [s for s in inputs.evaluation.slices if s.by == by]) for by in kinds]
    return [_section(inputs.evaluation, by, found) for by, found in sections if found]


def _section(evaluation: EvaluationResult, by: By, found: list[Slice]) -> Section:
    setting = f"{evaluation.primary_quantization}, {evaluation.primary_scoring} scoring"
    table = paired_table(
        f"B against A by {by}, {setting}",
        ([by.capitalize()], ("A right", "B right", "B - A")),
        [([_name(line)], line) for line in found],
        alpha=evaluation.alpha,
        note=f"Gained: only B right; lost: only A right. {EXPLORATORY}",
    )
    return Section(f"by-{by}", f"By {by}", [table])


def _name(line: Slice) -> Cell:
    if line.gathered > 1:
        return Cell(f"{line.value}: the {line.gathered:,} smallest", "muted")
    return Cell(line.value, "strong") if line.value else Cell("not stated", "muted")
