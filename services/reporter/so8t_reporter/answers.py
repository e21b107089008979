"""answers.csv: every test row in every setting, for the data's owner to filter and sort in a spreadsheet.

It holds each row's text, the turns before it, the classes read from the answers, strictly and leniently, and what was
kept of the models' words. It never holds thinking text, whether the row's or a model's.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from so8t_reporter.inputs import ReportInputs
from so8t_shared.models.turns import shown_turns
from so8t_shared.results.answers import Sample
from so8t_shared.results.sides import Side
from so8t_shared.results.training import LabeledRow
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import Scoring

ANSWERS_FILE = "answers.csv"

HEADER = (
    *("row_id", "quantization", "scoring", "text", "gold", "a", "b", "outcome", "language", "category", "group"),
    *("a_lenient", "b_lenient", "a_wrote", "b_wrote", "turns"),
)

_BEGINS_FORMULA = frozenset("=+-@＝＋－＠")
"""Includes full-width signs, which spreadsheets accept under a Japanese locale."""

_BREAKS = frozenset("\t\r\n")

Pair = tuple[Sample, Sample]


def answers_csv(inputs: ReportInputs) -> bytes:
    """Return one line per row, quantization and scoring, the headline's setting first; UTF-8 with a BOM for Excel."""
    rows = {row.id: row for row in inputs.test_rows}
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(HEADER)
    for pair in _ordered_pairs(inputs):
        writer.writerow(map(harmless, _line(pair, rows.get(pair[0].row_id))))
    return text.getvalue().encode("utf-8-sig")


def harmless(cell: str) -> str:
    """Return the cell, prefixed with an apostrophe if a spreadsheet would evaluate it as a formula.

    Formula prefixes follow OWASP, CSV Injection. Leading whitespace is ignored, since some importers drop it.
    """
    formula = cell.strip()[:1] in _BEGINS_FORMULA or cell[:1] in _BREAKS
    return f"'{cell}" if formula else cell


def outcome(pair: Pair) -> str:
    """How the row changed from A to B."""
    a, b = (sample.predicted == sample.gold for sample in pair)
    if a:
        return "both right" if b else "lost"
    return "gained" if b else "both wrong"


def pairs_of(inputs: ReportInputs, quantization: Quantization, scoring: Scoring) -> list[Pair]:
    """Return both models' answers to each row in one setting, by row id."""
    answers: dict[Side, dict[str, Sample]] = {"a": {}, "b": {}}
    for sample in inputs.samples:
        if (sample.quantization, sample.scoring) == (quantization, scoring):
            answers[sample.model][sample.row_id] = sample
    return [(answers["a"][i], answers["b"][i]) for i in sorted(answers["a"].keys() & answers["b"].keys())]


def _ordered_pairs(inputs: ReportInputs) -> Iterator[Pair]:
    evaluation = inputs.evaluation
    scorings = evaluation.scorings
    for quantization in sorted(inputs.quantizations, key=lambda q: q != evaluation.primary_quantization):
        for scoring in scorings:
            yield from pairs_of(inputs, quantization, scoring)


def _line(pair: Pair, row: LabeledRow | None) -> tuple[str, ...]:
    a, b = pair
    return (
        a.row_id,
        a.quantization,
        a.scoring,
        row.text if row else "",
        a.gold,
        a.predicted,
        b.predicted,
        outcome(pair),
        row.language if row else "",
        row.category if row else "",
        a.cluster,
        a.lenient,
        b.lenient,
        a.text,
        b.text,
        "\n".join(f"{role}: {text}" if role else text for role, text in shown_turns(row.before)) if row else "",
    )
