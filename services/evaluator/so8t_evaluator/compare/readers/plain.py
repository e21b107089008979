"""One JSON object per line, with the keys that `compare` knows."""

from __future__ import annotations

from so8t_evaluator.compare.reader import Reader

READER = Reader(row=lambda entry: entry, free_text=False)
