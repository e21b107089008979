"""The result table printed at the end of a run."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from so8t_shared import formatting as fmt
from so8t_shared.results.ab_test import AbTestResults
from so8t_shared.results.comparison import Comparison
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.sides import Side
from so8t_shared.results.unread import unread_lines
from so8t_shared.results.verdicts import WORDS, mostly_unread

_STYLES = {"good": "bold green", "bad": "bold red", "muted": "yellow"}
"""Terminal style for each tone of a verdict."""

_LEFT = ("GGUF", "scoring", "verdict")
_COLUMNS = ("GGUF", "scoring", "A right", "B right", "B - A, points", "p", "verdict")


def result_table(results: AbTestResults) -> Table:
    """One row per comparison of B with A; the headline is bold, the control comes last. Fits in 80 columns."""
    evaluation = results.evaluation
    table = Table(
        title=Text(f"A: {results.model_a}    B: {results.model_b}"),
        caption=Text("\n".join(_caption(evaluation))),
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=0,
    )
    for name in _COLUMNS:
        table.add_column(name, justify="left" if name in _LEFT else "right", no_wrap=True)
    for comparison in evaluation.comparisons:
        table.add_row(*_row(comparison, evaluation), style="bold" if comparison == evaluation.headline else "")
    if evaluation.control is not None:
        table.add_section()
        table.add_row(*_row(evaluation.control, evaluation, control=True), style="dim")
    return table


def _row(comparison: Comparison, evaluation: EvaluationResult, *, control: bool = False) -> list[str | Text]:
    words = WORDS[comparison.verdict]
    return [
        comparison.quantization,
        "A/A control" if control else comparison.scoring,
        _accuracy(comparison.accuracy_a, "a", comparison, evaluation),
        _accuracy(comparison.accuracy_b, "a" if control else "b", comparison, evaluation),
        fmt.points_interval(comparison.accuracy_difference) if comparison.verdict.compared else "-",
        fmt.p_value(comparison.p, evaluation.alpha) if comparison.verdict.compared else "-",
        _control_cell(comparison) if control else Text(words.cell, style=_STYLES[words.tone]),
    ]


def _accuracy(share: float, side: Side, comparison: Comparison, evaluation: EvaluationResult) -> str:
    """A side's accuracy, unless most answers are unread; a star marks that some are."""
    if mostly_unread(comparison.unread_a if side == "a" else comparison.unread_b, comparison.n):
        return "*unread"
    wanted = (side, comparison.quantization, comparison.scoring)
    unread = any(c.invalid for c in evaluation.cells if (c.model, c.quantization, c.scoring) == wanted)
    return f"{'*' if unread else ''}{fmt.percent(share, comparison.n)}"


def _control_cell(control: Comparison) -> Text:
    """Whether A gave byte-identical answers again; a verdict on classes would hide noise."""
    if not control.differing_answers:
        return Text("same answers")
    return Text(f"{control.differing_answers:,} differ", style=_STYLES["bad"])


def _caption(evaluation: EvaluationResult) -> list[str]:
    primary = evaluation.primary_quantization
    lines = [
        f"{evaluation.headline.n:,} rows; {100 * evaluation.confidence:g}% intervals; p of the paired test",
        *(f"* {line}" for line in unread_lines(evaluation)),
    ]
    speeds = [s for s in evaluation.speed if s.quantization == primary and s.latency_ms_p50 is not None]
    measured = [f"{s.model.upper()} {fmt.milliseconds(s.latency_ms_p50)} on {s.host}" for s in speeds]
    if measured:
        lines.append(f"latency p50 at {primary}: {', '.join(measured)}")
    if not all(s.interleaved for s in speeds):
        lines.append("latencies not measured side by side: do not compare them")
    return [*lines, f"engine: {evaluation.engine.name} {evaluation.engine.version}"]
