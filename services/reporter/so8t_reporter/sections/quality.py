"""The quality of both models' answers: the whole grid, the comparisons, and each class."""

from __future__ import annotations

from so8t_reporter.charts.lookup import comparison_of, quality_of
from so8t_reporter.document import Block, Cell, Column, PictureBlock, Section, Table, Tone
from so8t_reporter.inputs import ReportInputs
from so8t_shared import formatting as fmt
from so8t_shared.labels import LABELS
from so8t_shared.results.comparison import Comparison
from so8t_shared.results.evaluation import ClassMetrics, EvaluationResult, Quality
from so8t_shared.results.interval import Interval
from so8t_shared.results.sides import SIDES, Side
from so8t_shared.results.unread import why_unread
from so8t_shared.results.verdicts import WORDS, Verdict, mostly_unread
from so8t_shared.tables.scorings import Scoring

UNREAD = "mostly unread"
"""Instead of a figure where no class could be read from most answers: wrong form says nothing about decisions."""

FAVORED: dict[Verdict, Tone] = {Verdict.A_BETTER: "a", Verdict.B_BETTER: "b"}
"""The winner's color for a difference; no color without a winner."""


def grid_section(inputs: ReportInputs) -> Section:
    """Every model, quantization and scoring, and B against A in each."""
    return Section("grid", "Every quantization and scoring", [_comparisons(inputs), _grid(inputs)])


def classes_section(inputs: ReportInputs) -> Section:
    """Precision, recall and F1 of each class, confusion matrices."""
    evaluation = inputs.evaluation
    blocks: list[Block] = [_per_class(evaluation, evaluation.primary_scoring)]
    blocks += [PictureBlock(f"confusion_{scoring}") for scoring in evaluation.scorings]
    blocks += [_per_class(evaluation, s, folded=True) for s in evaluation.scorings[1:]]
    return Section("classes", "Class by class", blocks)


def comparison_columns(confidence: float) -> list[Column]:
    """Return the headings of `comparison_row`."""
    return [
        *(Column(name, numeric=False) for name in ("Quantization", "Scoring", "Verdict")),
        *(Column(name) for name in ("A right", "B right")),
        Column(f"Accuracy, B - A in points ({100 * confidence:g}% CI)"),
        Column("Macro-F1, B - A in points"),
        *(Column(name) for name in ("Gained / lost", "p")),
    ]


def comparison_row(comparison: Comparison, alpha: float, reach: float, *, strong: bool = False) -> list[Cell]:
    """Return one comparison with its interval, test and verdict."""
    words = WORDS[comparison.verdict]
    accuracy = comparison.accuracy_difference
    favored: Tone = FAVORED.get(comparison.verdict, "muted")
    figures = [
        Cell(fmt.points_interval(accuracy), favored, accuracy, "difference", reach),
        Cell(fmt.points_interval(comparison.macro_f1_difference)),
        Cell(f"{comparison.only_b_right:,} / {comparison.only_a_right:,}"),
        Cell(fmt.p_value(comparison.p, alpha)),
    ]
    return [
        Cell(comparison.quantization, "strong" if strong else ""),
        Cell(comparison.scoring),
        Cell(words.cell, words.tone),
        _right(comparison.accuracy_a, comparison.unread_a, comparison.n),
        _right(comparison.accuracy_b, comparison.unread_b, comparison.n),
        *(figures if comparison.verdict.compared else [Cell("", "muted")] * len(figures)),
    ]


def _right(share: float, unread: int, n: int) -> Cell:
    return Cell(UNREAD, "muted") if mostly_unread(unread, n) else Cell(fmt.percent(share, n))


def _comparisons(inputs: ReportInputs) -> Table:
    evaluation = inputs.evaluation
    primary = evaluation.headline
    reach = reach_of([c.accuracy_difference for c in evaluation.comparisons])
    found = [
        comparison_of(evaluation, quantization, scoring)
        for quantization in inputs.quantizations
        for scoring in evaluation.scorings
    ]
    return Table(
        "B against A",
        comparison_columns(evaluation.confidence),
        [comparison_row(c, evaluation.alpha, reach, strong=c == primary) for c in found if c is not None],
        note=f"All on the same {primary.n:,} rows. Gained: only B right; lost: only A right. p: paired test; the"
        " headline is tested first, the others with Holm's correction. No difference: none is shown.",
    )


def reach_of(differences: list[Interval]) -> float:
    """Return how far a track must extend on both sides to hold all differences; at least 0.05."""
    return max([0.05, *(1.1 * max(abs(d.low), abs(d.high)) for d in differences)])


def _grid(inputs: ReportInputs) -> Table:
    evaluation = inputs.evaluation
    qualities = [
        quality_of(evaluation, side, quantization, scoring)
        for quantization in inputs.quantizations
        for scoring in evaluation.scorings
        for side in SIDES
    ]
    return Table(
        "Each model on its own",
        [
            *(Column(name, numeric=False) for name in ("Quantization", "Scoring", "Model")),
            *(Column(name) for name in ("Rows", f"Accuracy ({100 * evaluation.confidence:g}% CI)", "Macro-F1")),
            Column("Invalid"),
        ],
        [_grid_row(quality) for quality in qualities if quality is not None],
        note="Invalid: answers from which no class could be read; they count as wrong and are never dropped."
        " Cut: invalid answers that stopped at the token limit. Over-long: rows that did not fit the context and were"
        f" not asked.{_limit(evaluation)}{_second_looks(inputs)}",
    )


def _grid_row(quality: Quality) -> list[Cell]:
    return [
        Cell(quality.quantization),
        Cell(quality.scoring),
        Cell(quality.model.upper(), quality.model),
        Cell(fmt.count(quality.n)),
        *_decided(quality),
        Cell(fmt.count(quality.invalid) + why_unread([quality])),
    ]


def _decided(quality: Quality) -> list[Cell]:
    if quality.mostly_unread:
        return [Cell(UNREAD, "muted"), Cell("", "muted")]
    accuracy = Cell(fmt.percent_interval(quality.accuracy), quality.model, quality.accuracy)
    return [accuracy, Cell(fmt.share(quality.macro_f1, quality.n))]


def _second_looks(inputs: ReportInputs) -> str:
    """How many scored answers took another request because a label was not among the likeliest tokens."""
    looks = sum(sample.second_look for sample in inputs.samples)
    bounds = sum(bool(sample.upper_bounds) for sample in inputs.samples)
    if not looks:
        return ""
    told = (
        f" Second looks: for {looks:,} answers a label was not among the likeliest tokens and was asked for by itself"
    )
    return f"{told}; for {bounds:,} only an upper bound of its probability is known." if bounds else f"{told}."


def _limit(evaluation: EvaluationResult) -> str:
    """The token limit of an answer, and the longest answer that model B was trained on."""
    limit = evaluation.answer_limit
    if limit is None:
        return ""
    told = f" The token limit is {fmt.count(limit.max_new_tokens)}"
    if limit.longest_target_tokens is None:
        return f"{told}."
    short = ", so the limit is too low: raise ab_test.max_new_tokens" if limit.too_short else ""
    longest = fmt.count(limit.longest_target_tokens)
    return f"{told}; the longest answer that B was trained on has {longest} tokens{short}."


def _per_class(evaluation: EvaluationResult, scoring: Scoring, *, folded: bool = False) -> Table:
    quantization = evaluation.primary_quantization
    qualities = {side: quality_of(evaluation, side, quantization, scoring) for side in SIDES}
    names = [f"{name} {side.upper()}" for name in ("Precision", "Recall", "F1") for side in SIDES]
    return Table(
        f"Precision, recall and F1, {quantization}, {scoring} scoring",
        [Column("Class", numeric=False), Column("Rows"), *(Column(name) for name in names)],
        [_class_row(label, qualities) for label in LABELS],
        folded=folded,
    )


def _class_row(label: str, qualities: dict[Side, Quality | None]) -> list[Cell]:
    metrics = {side: quality.per_class.get(label) if quality else None for side, quality in qualities.items()}
    support = next((m.support for m in metrics.values() if m), None)
    row = [Cell(label, "strong"), Cell(fmt.count(support))]
    for name in ("precision", "recall", "f1"):
        row += [_metric(metrics[side], name, qualities[side], label) for side in SIDES]
    return row


def _metric(metrics: ClassMetrics | None, name: str, quality: Quality | None, label: str) -> Cell:
    if quality and quality.mostly_unread:
        return Cell(UNREAD, "muted")
    value = getattr(metrics, name) if metrics else None
    if value is not None or metrics is None or quality is None:
        return Cell(fmt.share(value), "" if value is not None else "muted")
    answered = sum(row[LABELS.index(label)] for row in quality.confusion)
    rests_on = {"precision": answered, "recall": metrics.support, "f1": metrics.support + answered}
    return Cell(fmt.undefined(rests_on[name]), "muted")
