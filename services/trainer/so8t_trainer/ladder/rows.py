"""Reads the rows of a ladder from a file of any shape that training reads, or from a split of a run."""

from __future__ import annotations

from pathlib import Path

from so8t_shared.errors import IntegrityError
from so8t_shared.results.training import LabeledRow
from so8t_trainer.data.read import Reader


def read_rows(path: Path) -> list[LabeledRow]:
    """Return the rows of a file, each once.

    Raises:
        InputError: there is no such file, or a row is unusable.
    """
    if path.suffix == ".jsonl" and path.is_file():
        try:
            return LabeledRow.read_lines(path)
        except IntegrityError:
            pass  # rows of another shape
    reader = Reader()
    rows = [row.exported() for row in reader.source(str(path)).rows]
    reader.demand_no_faults()
    return list({row.id: row for row in rows}.values())
