"""Which hand-over of a model lost something: its rungs, flipped rows, and prompts that differ."""

from __future__ import annotations

from collections.abc import Iterator

from so8t_reporter.document import Block, Cell, Column, FileLink, Notes, Paragraph, Section, Table
from so8t_reporter.inputs import ReportInputs
from so8t_shared import formatting as fmt
from so8t_shared.escapes import visible
from so8t_shared.results.ladder import LADDER_FILE, FlippedRow, Handover, Ladder, OtherTokens, Rung
from so8t_shared.terminal.ladder_table import nats, open_of, unit_of


def ladder_sections(inputs: ReportInputs) -> list[Section]:
    """Return the section; none without ab_test.ladder."""
    if inputs.ladder is None:
        return []
    blocks: list[Block] = [block for ladder in inputs.ladder.ladders for block in _of(ladder)]
    return [Section("ladder", "Hand-overs", [*blocks, FileLink(LADDER_FILE, "all figures")])]


def _of(ladder: Ladder) -> Iterator[Block]:
    yield Paragraph(ladder.sentence, "bad" if ladder.lost_at else "good")
    yield _rungs(ladder)
    beyond = [(f"{one.before} to {one.after}", "; ".join(one.beyond)) for one in ladder.handovers if one.beyond]
    if beyond:
        yield Notes(beyond)
    for one in ladder.handovers:
        if one.open_rows:
            yield Paragraph(open_of(one), "muted")
        if one.example:
            yield _example(one, one.example)
        if one.flipped:
            yield _flipped(one)


def _rungs(ladder: Ladder) -> Table:
    made = {one.after: one for one in ladder.handovers}
    return Table(
        f"The same {ladder.rows:,} rows through every form of {ladder.name}",
        [
            Column("Rung", numeric=False),
            *map(Column, ("Right", "Flipped", "p", "Mean", "Largest", "KL", "Time", "Memory")),
            Column("Made from", numeric=False),
        ],
        [_row(rung, made.get(rung.title)) for rung in ladder.rungs],
        note="Against the rung that it was made from: rows with another decision; the paired test, adjusted over all;"
        " differences of the labels' log-probabilities, and the mean KL divergence of the next token, in nats."
        " >: at least, since a program shows only its likeliest tokens."
        + "".join(f" Note: {note}." for note in ladder.notes),
    )


def _row(rung: Rung, one: Handover | None) -> list[Cell]:
    measured = [Cell(fmt.duration(rung.seconds + rung.load_seconds)), Cell(fmt.size(rung.peak_memory_bytes))]
    title = Cell(rung.title, "bad" if one and one.names_a_loss else "strong")
    if one is None:
        return [title, Cell(f"{rung.right:,}"), *([Cell("")] * 5), *measured, Cell("")]
    found = one.difference
    return [
        title,
        Cell(f"{rung.right:,}"),
        Cell(f"{found.flipped:,}"),
        Cell(fmt.p_value(one.p_adjusted)),
        Cell(nats(found.logprob_mean)),
        Cell(nats(found.logprob_max)),
        Cell(f"{'>' if one.kl_bound else ''}{nats(found.kl_mean)}"),
        *measured,
        Cell(one.before),
    ]


def _example(one: Handover, found: OtherTokens) -> Table:
    sides = ((one.before, found.before_text, found.before_ids), (one.after, found.after_text, found.after_ids))
    return Table(
        f"{one.before} to {one.after}: row {visible(found.id)} from {unit_of(found)} {found.place:,}",
        [Column(name, numeric=False) for name in ("Rung", "Prompt", "Token ids")],
        [
            [Cell(title, "strong"), Cell(visible(repr(text))), Cell(" ".join(map(str, ids)) or fmt.undefined())]
            for title, text, ids in sides
        ],
        folded=True,
    )


def _flipped(one: Handover) -> Table:
    return Table(
        f"{one.before} to {one.after}: flipped rows, {len(one.flipped):,}",
        [
            *(Column(name, numeric=False) for name in ("Row", "Correct", "Before", "After")),
            Column("By, nats"),
        ],
        [_flip(row) for row in one.flipped],
        note="By: the log-probability by which the rung before preferred its label.",
        folded=True,
    )


def _flip(row: FlippedRow) -> list[Cell]:
    return [Cell(visible(row.id)), Cell(row.gold), Cell(row.before), Cell(row.after), Cell(nats(row.margin))]
