"""What model B still knows: reference answers to neutral prompts."""

from __future__ import annotations

from so8t_reporter.document import Block, Cell, Column, Paragraph, Section, Table, Tone
from so8t_reporter.inputs import ReportInputs
from so8t_shared import formatting as fmt
from so8t_shared.escapes import visible
from so8t_shared.results.interval import Interval
from so8t_shared.results.retention import (
    RETAINED,
    FileRetention,
    LostItem,
    Retained,
    RetainedPart,
    RetentionResult,
    ScoredReference,
)
from so8t_shared.results.verification import Divergence

_TONES: dict[Retained, Tone] = {"kept": "good", "undecided": "muted", "lost": "bad"}
_TEXT_LENGTH = 120


def retention_sections(inputs: ReportInputs) -> list[Section]:
    """Return the section; none without ab_test.retention."""
    evaluation, found = inputs.evaluation, inputs.evaluation.retention
    if found is None:
        return []
    primary = found.of(evaluation.primary_quantization)
    blocks: list[Block] = [Paragraph(_sentence(found)), _files(found, evaluation.confidence)]
    if primary:
        blocks.append(_parts(primary))
    if primary and primary.lost_most:
        blocks.append(_lost_most(primary, inputs.references))
    return [Section("retention", "What B still knows", blocks)]


def _sentence(found: RetentionResult) -> str:
    return (
        f"How likely reference answers to {found.items:,} neutral prompts ({found.tokens:,} tokens) are to A and to B."
        f" B may lose {found.margin:g} nats per token on average. The prompts lack the instruction to name a class."
    )


def _files(found: RetentionResult, confidence: float) -> Table:
    reach = max(found.margin, *(abs(end) for each in found.files for end in _ends(each.difference)))
    least = "at least " if found.lower_bound else ""
    return Table(
        "Log-likelihood of the references, nats per token",
        [
            *(Column(name, numeric=False) for name in ("Quantization", "B")),
            *map(Column, ("A", "B", "B - A", "KL mean", "KL median", "KL 99th percentile")),
        ],
        [
            [
                Cell(each.quantization, "strong"),
                Cell(RETAINED[each.verdict], _TONES[each.verdict]),
                Cell(f"{each.a:.2f}"),
                Cell(f"{each.b:.2f}"),
                Cell(_interval(each.difference), interval=each.difference, scale="difference", reach=reach),
                *_divergence(each.divergence),
            ]
            for each in found.files
        ],
        note=f"In parentheses: {100 * confidence:g}% CI. Kept: all of it is above -{found.margin:g}; lost: all of it is"
        f" below. KL: {least}how far B's next tokens are from A's, at each token of the references.",
    )


def _ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


def _interval(found: Interval) -> str:
    return f"{found.value:+.2f} ({found.low:+.2f} to {found.high:+.2f})"


def _divergence(found: Divergence | None) -> list[Cell]:
    if found is None:
        return [Cell("other tokens", "muted")] * 3
    return [Cell(f"{value:.3f}") for value in (found.mean, found.median, found.p99)]


def _parts(found: FileRetention) -> Table:
    return Table(
        f"By kind and language, {found.quantization}",
        [Column("Items of", numeric=False), *map(Column, ("Items", "A", "B", "B - A"))],
        [_part(each) for each in found.parts],
    )


def _part(each: RetainedPart) -> list[Cell]:
    figures = (f"{each.a:.2f}", f"{each.b:.2f}", f"{each.b - each.a:+.2f}")
    return [Cell(f"{each.by} {visible(each.value)}"), Cell(f"{each.items:,}"), *map(Cell, figures)]


def _lost_most(found: FileRetention, references: list[ScoredReference]) -> Table:
    texts = {each.item: each for each in references if each.quantization == found.quantization}
    return Table(
        f"Items that lost most, {found.quantization}",
        [*(Column(name, numeric=False) for name in ("Prompt", "Reference")), *map(Column, ("A", "B"))],
        [_lost(each, texts.get(each.item)) for each in found.lost_most],
        folded=True,
    )


def _lost(each: LostItem, text: ScoredReference | None) -> list[Cell]:
    said = (_shortened(text.prompt), _shortened(text.reference)) if text else (f"item {each.item}", fmt.UNDEFINED)
    return [*map(Cell, said), Cell(f"{each.a:.2f}"), Cell(f"{each.b:.2f}")]


def _shortened(text: str) -> str:
    whole = visible(" ".join(text.split()))
    return whole if len(whole) <= _TEXT_LENGTH else f"{whole[: _TEXT_LENGTH - 1]}…"
