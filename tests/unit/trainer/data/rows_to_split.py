"""Rows to be split."""

from __future__ import annotations

import random
from dataclasses import replace

from so8t_shared.config.model import Dataset
from so8t_shared.labels import LABELS
from so8t_trainer.data.rows import Row

WORDS = "apple bridge candle desert engine forest garden hammer island jacket kettle ladder mirror".split()  # noqa: SIM905


def row_of(text: str, label: str = "ALLOW", group: str | None = None, split: str | None = None) -> Row:
    """A row of one text."""
    return Row(text, label, "here", "text-label", group=group, split=split)


def marked_as(row: Row, side: str) -> Row:
    """The row as its author marked it."""
    return replace(row, split=side)


def texts_of(rows: list[Row]) -> list[str]:
    """Their texts."""
    return [row.text for row in rows]


def settings_of(fraction: float = 0.25, seed: int = 1) -> Dataset:
    """Without validation rows, which have tests of their own."""
    return Dataset(paths=["x"], test_fraction=fraction, split_seed=seed, validation_fraction=0)


def sentence(number: int) -> str:
    """A sentence that resembles no other."""
    return " ".join(random.Random(number).choices(WORDS, k=9))


def distinct_rows(per_label: int) -> list[Row]:
    """So many rows of each class, none near another."""
    return [row_of(sentence(i * 4 + j), label) for i in range(per_label) for j, label in enumerate(LABELS)]
