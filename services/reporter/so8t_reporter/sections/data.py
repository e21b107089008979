"""The rows used for training and testing, and the rows left out with the reasons."""

from __future__ import annotations

from so8t_reporter.document import Block, Cell, Column, Facts, Paragraph, Section, Table
from so8t_reporter.inputs import ReportInputs
from so8t_shared import formatting as fmt
from so8t_shared.labels import LABELS
from so8t_shared.results.evaluation import TestSet
from so8t_shared.results.training import DataReport


def data_section(inputs: ReportInputs) -> Section:
    """Sources, exclusions, classes and languages."""
    data, asked, stopped = inputs.data, inputs.evaluation.test_set, inputs.evaluation.until_decided
    blocks: list[Block] = [
        Facts(
            [
                ("Rows read", fmt.count(data.rows_read)),
                ("Rows left out", _left_out(data)),
                ("Exact duplicates removed", fmt.count(data.duplicates)),
                ("Groups of similar rows", f"{data.groups:,}; no group has rows on both sides of the split"),
                ("Languages", _shares(data.by_language)),
                *_meaning(data),
                ("Languages of the rows asked", _shares(asked.by_language)),
            ]
        ),
        *_selection(data, stopped.available if stopped else asked.n),
        *([Paragraph(f"Rows asked in random order: {stopped.ending}.")] if stopped else []),
        _exclusions(data),
        _classes(data, asked),
        _sources(data),
    ]
    return Section("data", "Data", blocks)


def _meaning(data: DataReport) -> list[tuple[str, str]]:
    """Facts about rows that have more than a text and a label."""
    facts = [
        ("Thinking roles", ", ".join(f"{role} {n:,}" for role, n in data.thinking.items())),
        ("Rows with a system prompt or earlier turns", fmt.count(data.with_turns) if data.with_turns else ""),
        ("Labels by words", _shares(data.label_words) if data.label_words else ""),
        ("Fields not used", _shares(data.unused) if data.unused else ""),
    ]
    return [(name, value) for name, value in facts if value]


def _selection(data: DataReport, chosen: int) -> list[Block]:
    """Say that rows were chosen by class, if some held-out rows were not."""
    held_out = sum(data.test.values())
    if chosen >= held_out:
        return []
    return [
        Paragraph(
            f"{chosen:,} of the {held_out:,} held-out rows were chosen (ab_test.max_samples) to balance the classes as"
            " far as possible: every accuracy here is for this mix, not for the mix of all held-out rows."
        )
    ]


def _left_out(data: DataReport) -> str:
    total = sum(data.excluded.values())
    return f"{total:,} ({fmt.percent(total / data.rows_read if data.rows_read else None, data.rows_read)})"


def _shares(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in sorted(counts.items())) or "none"


def _exclusions(data: DataReport) -> Block:
    if not data.excluded:
        return Paragraph("No row was left out.", "muted")
    reasons = sorted(data.excluded.items(), key=lambda item: (-item[1], item[0]))
    return Table(
        "Left out",
        [Column("Reason", numeric=False), Column("Rows")],
        [[Cell(_readable(reason)), Cell(fmt.count(n))] for reason, n in reasons],
        note="The text of rows left out is not kept anywhere.",
    )


def _readable(reason: str) -> str:
    return reason.replace("_", " ")


def _classes(data: DataReport, asked: TestSet) -> Table:
    parts = {"Trained on": data.train, "Validation": data.validation, "Held out": data.test, "Asked": asked.by_label}
    parts = {name: counts for name, counts in parts.items() if counts or name != "Validation"}
    others = sorted(set().union(*parts.values()) - set(LABELS))
    return Table(
        "Rows per class",
        [Column("Class", numeric=False), *map(Column, parts)],
        [
            [Cell(label, "strong"), *(Cell(fmt.count(counts.get(label, 0))) for counts in parts.values())]
            for label in (*LABELS, *others)
        ],
    )


def _sources(data: DataReport) -> Table:
    keys = ("schema", "encoding", "license", "provenance", "rows")
    terms = {name: _terms(facts) for name, facts in data.sources.items()}
    more = any(terms.values())
    return Table(
        "Sources",
        [
            Column("Source", numeric=False),
            *(Column(name, numeric=name == "Rows") for name in ("Schema", "Encoding", "License", "Provenance", "Rows")),
            *([Column("Terms", numeric=False)] if more else []),
        ],
        [
            [
                Cell(name),
                *(Cell(facts.get(key, "not stated")) for key in keys),
                *([Cell(terms[name])] if more else []),
            ]
            for name, facts in sorted(data.sources.items())
        ],
    )


def _terms(facts: dict[str, str]) -> str:
    """What a source asks for beyond its license's name."""
    file = facts.get("license_file", "")
    parts = [
        f"{file} (sha256 {facts.get('license_sha256', '')[:12]})" if file else "",
        facts.get("license_notes", ""),
        f"robots: {facts['robots']}" if facts.get("robots") else "",
    ]
    return "; ".join(part for part in parts if part)
