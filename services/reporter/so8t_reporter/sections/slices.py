"""The comparison by language and by category: where B gained and lost, and the rates of each part."""

from __future__ import annotations

from typing import Literal

from so8t_reporter.document import Cell, Column, Section, Table
from so8t_reporter.inputs import ReportInputs
from so8t_reporter.sections.paired import EXPLORATORY, paired_table
from so8t_reporter.sections.rates import rate_columns, rate_row, share_reach
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.paired import Slice
from so8t_shared.results.rates import Rate
from so8t_shared.tables import metrics

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
    return Section(f"by-{by}", f"By {by}", [table, _rates(evaluation, by, setting)])


def _rates(evaluation: EvaluationResult, by: By, setting: str) -> Table:
    deciding = (evaluation.primary_quantization, evaluation.primary_scoring)
    rates = [
        r
        for r in evaluation.rates
        if (r.by, r.metric != "accuracy", (r.quantization, r.scoring)) == (by, True, deciding) and r.b
    ]
    rates.sort(key=lambda rate: list(metrics.BY_NAME).index(rate.metric))  # what is to be compared stands together
    (title, *columns), reach = rate_columns(evaluation.confidence), share_reach(rates)
    rows = [(_name(rate), rate_row(rate, reach)) for rate in rates]
    return Table(
        f"Rates by {by}, {setting}",
        [title, Column(by.capitalize(), numeric=False), *columns],
        [[cells[0], name, *cells[1:]] for name, cells in rows],
        note="Exploratory: small parts have wide intervals, and none of them is adjusted for the number of parts.",
        folded=True,
    )


def _name(line: Slice | Rate) -> Cell:
    if line.gathered > 1:
        return Cell(f"{line.value}: the {line.gathered:,} smallest", "muted")
    return Cell(line.value, "strong") if line.value else Cell("not stated", "muted")
