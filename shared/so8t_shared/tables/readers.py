"""Logs of answers that `so8t-ab compare` reads; a file's content says which one it is."""

from __future__ import annotations

from dataclasses import dataclass

KEYS = ("id", "gold", "predicted", "group", "language", "category", "logprobs")
"""What `compare` reads of a row; the last four are optional."""


@dataclass(frozen=True)
class Row:
    """One kind of log."""

    name: str
    reader: str
    """'module:name' of the evaluator's `Reader`."""
    signs: tuple[frozenset[str], ...] = ()
    """Keys of the file's first object; one complete set tells this kind from the others."""


ROWS: tuple[Row, ...] = (
    Row(
        "lm-eval",
        "so8t_evaluator.compare.readers.lm_eval:READER",
        (frozenset({"doc_id", "resps"}),),
    ),
    Row(
        "inspect",
        "so8t_evaluator.compare.readers.inspect:READER",
        (frozenset({"eval", "status"}), frozenset({"epoch", "target", "output"})),
    ),
    Row(
        "promptfoo",
        "so8t_evaluator.compare.readers.promptfoo:READER",
        (frozenset({"evalId", "results"}), frozenset({"testIdx", "promptIdx"})),
    ),
    Row(
        "plain",
        "so8t_evaluator.compare.readers.plain:READER",
    ),
)

BY_NAME = {row.name: row for row in ROWS}


def recognized(keys: frozenset[str]) -> Row:
    """The kind of log whose first object has these keys; without signs of another, the plain one."""
    return next((row for row in ROWS if any(sign <= keys for sign in row.signs)), BY_NAME["plain"])
