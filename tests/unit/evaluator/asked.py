"""Two scripted models that are asked the same four rows, for the tests of asking."""

from __future__ import annotations

from typing import Any

from tests.unit.evaluator.material import ScriptedEngine, make_chat, make_file, make_row

from so8t_evaluator.asking import Candidate, Respondent, ask_all
from so8t_shared.artifacts.segment_cache import SegmentCache
from so8t_shared.config.model import AbTest
from so8t_shared.results.answers import Sample
from so8t_shared.results.sides import Side
from so8t_shared.tables.scorings import Scoring

ROWS = [make_row(f"row-{i}", "DENY") for i in range(4)]
BOTH: list[Scoring] = ["constrained", "generate"]
SETTINGS = AbTest(max_new_tokens=48)


def answer(model: str, _: str) -> str:
    """A is right everywhere, and no class can be read from what B says."""
    return "<final>DENY</final>" if model == "a" else "no idea"


def make_pair(engine: ScriptedEngine, cache: SegmentCache, run: str = "run", **other: Any) -> list[Respondent]:
    """A and B on the same engine."""
    sides: tuple[Side, Side] = ("a", "b")
    return [
        Respondent(Candidate(side, "q8_0", make_file(side), make_chat()), engine, SETTINGS, cache, run, **other)
        for side in sides
    ]


def ask(engine: ScriptedEngine, cache: SegmentCache, run: str = "run", **other: Any) -> list[Sample]:
    """Ask both models every row under both scorings."""
    return ask_all(make_pair(engine, cache, run, **other), ROWS, BOTH, lambda sample: None)
