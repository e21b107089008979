"""What quantization cost each file on fixed texts, and what the tokenizers lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from so8t_reporter.document import Block, Cell, Column, FileLink, Paragraph, Table
from so8t_reporter.inputs import ReportInputs
from so8t_shared import formatting as fmt
from so8t_shared.config.alternatives import GUIDED, UNGUIDED
from so8t_shared.places import gguf_name
from so8t_shared.results.conversion import CONVERTED_BY
from so8t_shared.results.sides import SIDES, Side
from so8t_shared.results.verification import VERIFICATIONS, VerifiedFile
from so8t_shared.tables.quantizations import ORDER, Quantization
from so8t_shared.terminal.ladder_table import nats

_NOT_VERIFIED = "Model {}'s files were not verified; the log of import says why."


@dataclass(frozen=True)
class _File:
    """One file of a model."""

    side: Side
    quantization: Quantization
    words: str
    """The quantization, and whether it has another importance matrix than the files that ship."""
    found: VerifiedFile


def verified_blocks(inputs: ReportInputs) -> list[Block]:
    """Return a sentence, a table and links to all figures; nothing if no file was verified."""
    files = list(_files(inputs))
    if not files:
        return []
    unsound = any(file.found.faults for file in files)
    reference = next((file.quantization for file in files if not file.found.divergence), "the reference")
    links = [FileLink(VERIFICATIONS[side], f"model {side.upper()}'s figures") for side in inputs.verified]
    return [
        Paragraph(" ".join(_sentences(files, reference)), "bad" if unsound else ""),
        *(Paragraph(_NOT_VERIFIED.format(side.upper())) for side in SIDES if side not in inputs.verified),
        _table(files, reference, inputs),
        *links,
    ]


def _files(inputs: ReportInputs) -> Iterator[_File]:
    """The verified files, the most precise first."""
    named = {
        (side, file.file): (file.quantization, file.quantization)
        for side, stage in CONVERTED_BY.items()
        for file in inputs.conversion[stage].files
    } | {
        ("b", f"{folder}/{gguf_name('b', name)}"): (name, f"{name} {words}")
        for folder, words in ((GUIDED, "with imatrix"), (UNGUIDED, "without imatrix"))
        for name in ORDER
    }
    known = [
        _File(side, *named[side, file.file], file)
        for side, verified in inputs.verified.items()
        for file in verified.files
        if (side, file.file) in named
    ]
    yield from sorted(known, key=lambda file: (ORDER.index(file.quantization), file.words, file.side))


def _sentences(files: Sequence[_File], reference: str) -> Iterator[str]:
    shares: dict[str, list[str]] = {}
    for file in files:
        if far := file.found.divergence:
            told = f"{fmt.percent(far.changed_top)} of {file.side.upper()}'s"
            shares.setdefault(file.words, []).append(told)
    clauses = [f"{quantization}: {' and '.join(told)}" for quantization, told in shares.items()]
    if clauses:
        clauses[0] += f" next tokens differ from {reference}'s"
        yield f"{'; '.join(clauses)}."
    faults = [f"{file.side.upper()}'s {file.words}: {fault}." for file in files for fault in file.found.faults]
    yield from faults or ["All tokenizers give every text back."]


def _table(files: Sequence[_File], reference: str, inputs: ReportInputs) -> Table:
    positions = max(found.positions for found in inputs.verified.values())
    bound = any(found.lower_bound for found in inputs.verified.values())
    least = ", at least" if bound else ""
    return Table(
        f"Next tokens against {reference}",
        [
            *(Column(name, numeric=False) for name in ("Quantization", "Model")),
            *map(
                Column, ("Other next tokens", *(f"KL {name}{least}" for name in ("mean", "median", "99th percentile")))
            ),
            Column("Texts lost by the tokenizer", numeric=False),
        ],
        [_row(file) for file in files],
        note=f"At {positions:,} places of fixed Japanese, English, code and emoji. KL: how far the next tokens are from"
        f" {reference}'s, in nats{'; at least, as the less likely ones were compared together' if bound else ''}.",
    )


def _row(file: _File) -> list[Cell]:
    far, lost = file.found.divergence, file.found.lost_texts
    figures = (fmt.percent(far.changed_top), *map(nats, (far.mean, far.median, far.p99))) if far else [""] * 4
    return [
        Cell(file.words, "strong"),
        Cell(file.side.upper(), file.side),
        *map(Cell, figures),
        Cell(", ".join(lost), "bad") if lost else Cell("none"),
    ]
