"""Writes ladder.md and its picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from so8t_reporter.charts.render import picture_of
from so8t_reporter.ladder import chart
from so8t_reporter.markdown import escape
from so8t_shared import formatting as fmt
from so8t_shared.config.model import Visualization
from so8t_shared.escapes import visible
from so8t_shared.files import write_atomically
from so8t_shared.results.ladder import Handover, Ladder, LadderResult
from so8t_shared.terminal.ladder_table import nats, open_of, unit_of

MARKDOWN_FILE = "ladder.md"
_PICTURE = PurePosixPath("ladder.png")


def write_ladder(result: LadderResult, folder: Path) -> list[Path]:
    """Write ladder.md and ladder.png; return their paths.

    Raises:
        StorageError: `folder` cannot be written.
    """
    sentences = " ".join(each.sentence for each in result.ladders)
    about = ("ladder", "Ladder", sentences, sentences)
    picture_of(about, lambda theme: chart.draw(result, theme), Visualization(), folder, _PICTURE)
    write_atomically(folder / MARKDOWN_FILE, markdown(result).encode())
    return [folder / MARKDOWN_FILE, folder / _PICTURE]


def markdown(result: LadderResult) -> str:
    """Return the page."""
    lines = ["# Ladder", "", *([f"Session {result.session}.", ""] if result.session else []), f"![Ladder]({_PICTURE})"]
    for ladder in result.ladders:
        lines += ["", *_section(ladder)]
    return "\n".join(lines) + "\n"


def _section(ladder: Ladder) -> Iterator[str]:
    yield f"## {_cell(ladder.name)}"
    yield ""
    yield f"**{_cell(ladder.sentence)}**"
    for note in ladder.notes:
        yield f"\nNote: {_cell(note)}."
    yield ""
    yield from _table(
        ["rung", "right", "program", "time", "memory"],
        [
            [
                rung.title,
                f"{rung.right:,} of {ladder.rows:,}",
                rung.program,
                f"{fmt.duration(rung.seconds)} + {fmt.duration(rung.load_seconds)} to load",
                fmt.size(rung.peak_memory_bytes),
            ]
            for rung in ladder.rungs
        ],
    )
    yield ""
    yield from _table(
        [
            *(
                "hand-over",
                "labels, mean",
                "labels, largest",
                "explained, mean",
                "KL, mean",
                "explained",
                "end of turn",
            ),
            *("flipped", "gained / lost", "p"),
        ],
        [_handover(one) for one in ladder.handovers],
    )
    for one in ladder.handovers:
        yield from _details(one)


def _handover(one: Handover) -> list[str]:
    found, explained = one.difference, one.explained
    return [
        f"{one.before} to {one.after}",
        nats(found.logprob_mean),
        nats(found.logprob_max),
        nats(explained.logprob_mean) if explained else "not measured",
        ("at least " if one.kl_bound else "") + nats(found.kl_mean),
        nats(explained.kl_mean) if explained else "not measured",
        nats(found.end_mean),
        f"{found.flipped:,}",
        f"{one.gained:,} / {one.lost:,}",
        fmt.p_value(one.p_adjusted),
    ]


def _details(one: Handover) -> Iterator[str]:
    if not one.flipped and not one.beyond and not one.open_rows:
        return
    yield f"\n### {one.before} to {one.after}\n"
    yield from (f"- {_cell(clause)}" for clause in one.beyond)
    if one.open_rows:
        yield f"\n{open_of(one)}"
    if one.example is not None:
        found = one.example
        yield f"\nRow {_cell(found.id)}, from {unit_of(found)} {found.place}:\n"
        yield from _table(
            ["", "prompt", "token ids"],
            [
                [one.before, f"`{_code(found.before_text)}`", " ".join(map(str, found.before_ids))],
                [one.after, f"`{_code(found.after_text)}`", " ".join(map(str, found.after_ids))],
            ],
        )
    if one.flipped:
        yield ""
        yield from _table(
            ["row", "correct", "before", "after", "preferred by, nats"],
            [[_cell(row.id), row.gold, row.before, row.after, nats(row.margin)] for row in one.flipped],
        )


def _table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    for cells in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return escape(visible(text))


def _code(text: str) -> str:
    return visible(repr(text)).replace("`", "'").replace("|", "\\|")
