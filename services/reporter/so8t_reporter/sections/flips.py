"""The rows on which A and B differ: counts by class and answer, and examples to read."""

from __future__ import annotations

from so8t_reporter.document import Block, Cell, Column, Paragraph, PictureBlock, Section, Table, Tone
from so8t_reporter.inputs import ReportInputs
from so8t_shared.results import Flip, Sample, Side

LOST_SHOWN = 12
GAINED_SHOWN = 8
TEXT_LENGTH = 140
"""Characters of a row's text that an example shows."""


def flips_section(inputs: ReportInputs) -> Section:
    """What B gained and lost; says so when nothing differs."""
    comparison = inputs.evaluation.headline
    if not comparison.flips:
        text = f"A and B gave the same answer to all {comparison.n:,} rows."
        return Section("flips", "What changed", [Paragraph(text, "muted")])
    blocks: list[Block] = [PictureBlock("flips"), _table(comparison.flips), *_examples(inputs)]
    return Section("flips", "What changed", blocks)


def _table(flips: list[Flip]) -> Table:
    ordered = sorted(flips, key=lambda f: (-f.count, f.gold, f.a, f.b))
    return Table(
        "Answers that differ",
        [*(Column(name, numeric=False) for name in ("Right class", "A said", "B said", "Effect")), Column("Rows")],
        [[Cell(f.gold, "strong"), Cell(f.a), Cell(f.b), _effect(f), Cell(f"{f.count:,}")] for f in ordered],
        folded=True,
    )


def _effect(flip: Flip) -> Cell:
    tone: Tone = "good" if flip.b == flip.gold else "bad" if flip.a == flip.gold else "muted"
    return Cell({"good": "gained", "bad": "lost", "muted": "both wrong"}[tone], tone)


def _examples(inputs: ReportInputs) -> list[Block]:
    pairs = _pairs(inputs)
    texts = {row.id: row.text for row in inputs.test_rows}
    lost = [pair for pair in pairs if pair[0].predicted == pair[0].gold != pair[1].predicted]
    gained = [pair for pair in pairs if pair[1].predicted == pair[1].gold != pair[0].predicted]
    tables: list[Block] = []
    for words, found, shown in (("lost", lost, LOST_SHOWN), ("gained", gained, GAINED_SHOWN)):
        if found:
            caption = f"Rows that B {words}: {min(shown, len(found))} of {len(found):,}"
            tables.append(_example_table(caption, found[:shown], texts))
    return tables


def _pairs(inputs: ReportInputs) -> list[tuple[Sample, Sample]]:
    """Both models' answers to each row in the headline's setting, by row id."""
    comparison = inputs.evaluation.headline
    setting = (comparison.quantization, comparison.scoring)
    answers: dict[Side, dict[str, Sample]] = {"a": {}, "b": {}}
    for sample in inputs.samples:
        if (sample.quantization, sample.scoring) == setting:
            answers[sample.model][sample.row_id] = sample
    return [(answers["a"][i], answers["b"][i]) for i in sorted(answers["a"].keys() & answers["b"].keys())]


def _example_table(caption: str, pairs: list[tuple[Sample, Sample]], texts: dict[str, str]) -> Table:
    rows = [
        [
            Cell(_shortened(texts.get(a.row_id)), "" if a.row_id in texts else "muted"),
            Cell(a.gold, "strong"),
            Cell(a.predicted),
            Cell(b.predicted),
            Cell(a.row_id, "muted"),
        ]
        for a, b in pairs
    ]
    names = ("Text", "Right class", "A said", "B said", "Row")
    return Table(caption, [Column(name, numeric=False) for name in names], rows, folded=True)


def _shortened(text: str | None) -> str:
    if text is None:
        return "(text not in the test split)"
    flat = " ".join(text.split())
    return flat if len(flat) <= TEXT_LENGTH else f"{flat[: TEXT_LENGTH - 1]}…"
