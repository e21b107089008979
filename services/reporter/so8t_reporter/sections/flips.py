"""The rows on which A and B differ: counts by class and answer, and examples to read."""

from __future__ import annotations

from so8t_reporter.answers import ANSWERS_FILE, Pair, outcome, pairs_of
from so8t_reporter.document import Block, Cell, Column, FileLink, Paragraph, PictureBlock, Section, Table, Tone
from so8t_reporter.inputs import ReportInputs
from so8t_shared import formatting as fmt
from so8t_shared.results.comparison import Comparison, Flip
from so8t_shared.results.verdicts import WORDS

LOST_SHOWN = 12
GAINED_SHOWN = 8
TEXT_LENGTH = 140
"""Maximum characters of a row's text in an example."""

_ALL_ANSWERS = FileLink(
    ANSWERS_FILE,
    "every test row with its text, its correct class and both models' answers, at every quantization and scoring. The"
    " file is next to this report and opens in a spreadsheet.",
)


def flips_section(inputs: ReportInputs) -> Section:
    """Rows that B gained and lost; says so if nothing differs."""
    comparison = inputs.evaluation.headline
    if not comparison.flips:
        text = f"{WORDS[comparison.verdict].title} on any of the {comparison.n:,} rows; {_worded(comparison)}."
        return Section("flips", "What changed", [Paragraph(text, "muted"), _ALL_ANSWERS])
    blocks: list[Block] = [PictureBlock("flips"), _table(comparison.flips), *_examples(inputs), _ALL_ANSWERS]
    return Section("flips", "What changed", blocks)


def _worded(comparison: Comparison) -> str:
    n = comparison.differing_answers
    verb = fmt.plural(n, "is", "are")
    return f"{n:,} of the answers {verb} worded differently" if n else "the answers are worded the same"


def _table(flips: list[Flip]) -> Table:
    ordered = sorted(flips, key=lambda f: (-f.count, f.gold, f.a, f.b))
    return Table(
        "Answers that differ",
        [*(Column(name, numeric=False) for name in ("Correct class", "A said", "B said", "Effect")), Column("Rows")],
        [[Cell(f.gold, "strong"), Cell(f.a), Cell(f.b), _effect(f), Cell(f"{f.count:,}")] for f in ordered],
        folded=True,
    )


def _effect(flip: Flip) -> Cell:
    tone: Tone = "good" if flip.b == flip.gold else "bad" if flip.a == flip.gold else "muted"
    return Cell({"good": "gained", "bad": "lost", "muted": "both wrong"}[tone], tone)


def _examples(inputs: ReportInputs) -> list[Block]:
    comparison = inputs.evaluation.headline
    pairs = pairs_of(inputs, comparison.quantization, comparison.scoring)
    texts = {row.id: row.text for row in inputs.test_rows}
    tables: list[Block] = []
    for words, shown in (("lost", LOST_SHOWN), ("gained", GAINED_SHOWN)):
        if found := [pair for pair in pairs if outcome(pair) == words]:
            caption = f"Rows that B {words}: {min(shown, len(found))} of {len(found):,}"
            tables.append(_example_table(caption, found[:shown], texts))
    return tables


def _example_table(caption: str, pairs: list[Pair], texts: dict[str, str]) -> Table:
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
    names = ("Text", "Correct class", "A said", "B said", "Row")
    return Table(caption, [Column(name, numeric=False) for name in names], rows, folded=True)


def _shortened(text: str | None) -> str:
    if text is None:
        return "(text not in the test split)"
    flat = " ".join(text.split())
    return flat if len(flat) <= TEXT_LENGTH else f"{flat[: TEXT_LENGTH - 1]}…"
