"""The first screen."""

from __future__ import annotations

import pytest
from tests.unit.reporter.builders import Evaluation, Scenario
from tests.unit.reporter.rendering import NAMES

from so8t_reporter.document import Tile
from so8t_reporter.inputs import ReportInputs
from so8t_reporter.sections.overview import gate_words, models, tiles, verdict_tone
from so8t_shared.results.evaluation import AnswerLimit
from so8t_shared.results.gate import Decision, GateResult

ONE = {"quantizations": ("q8_0",), "scorings": ("generate",)}


def test_tiles(inputs: ReportInputs) -> None:
    """Accuracy of both with counts, their difference with interval, the test, latencies with their host."""
    e = inputs.evaluation
    c, d = e.headline, e.headline.accuracy_difference
    found = {tile.label: (tile.value, tile.detail) for tile in tiles(e)}
    assert found["Accuracy of A"][0] == f"{100 * c.accuracy_a:.1f}%"
    assert found["Accuracy of B"][1].startswith(f"{c.both_right + c.only_b_right} of 320 rows right, ")
    assert found["B minus A"] == (
        f"{100 * d.value:+.1f} points",
        f"95% interval {100 * d.low:+.1f} to {100 * d.high:+.1f}",
    )
    gained = f"{c.only_b_right} rows gained, {c.only_a_right} lost"
    assert found["Paired test"] == ("p < 0.001", gained)
    assert found["Latency p50, A / B"] == ("240 ms / 223 ms", "measured on workbench")


def test_unreadable_answers(inputs: ReportInputs) -> None:
    """Beside the rows that are right stands from how many answers no class could be read."""
    e = inputs.evaluation
    cells = [c.model_copy(update={"invalid": 60 if c.model == "a" else 0, "cut": 56}) for c in e.cells]
    limit = AnswerLimit(max_new_tokens=12, longest_target_tokens=10)
    details = [t.detail for t in tiles(e.model_copy(update={"cells": cells, "answer_limit": limit}))]
    assert details[0].endswith("%; no class read from 60 (56 cut at 12 tokens)")
    assert "no class" not in details[1]


def test_untimed(sparse: ReportInputs) -> None:
    """Without timings the latency is undefined, not 0."""
    (tile,) = [tile for tile in tiles(sparse.evaluation) if tile.label.startswith("Latency")]
    assert (tile.value, tile.detail) == ("undefined", "nothing was timed")


def test_two_hosts() -> None:
    """Both hosts are named."""
    (tile,) = [
        t for t in tiles(Evaluation(Scenario(host_a="gpu-box", **ONE)).result()) if t.label.startswith("Latency")
    ]
    assert tile.detail == "measured on gpu-box and workbench, not side by side: not comparable"


def test_not_side_by_side() -> None:
    """Latencies of different runs are muted and said not to be comparable, though the host is the same."""
    found = tiles(Evaluation(Scenario(interleaved=False, **ONE)).result())
    (tile,) = [t for t in found if t.label.startswith("Latency")]
    assert (tile.detail, tile.tone) == ("measured on workbench, not side by side: not comparable", "muted")


def gate_with(gate: GateResult, result: str, n: int) -> GateResult:
    """The gate with the first `n` clauses, required and all of this result."""
    clauses = [c.model_copy(update={"result": result, "required": True}) for c in gate.clauses[:n]]
    return GateResult(result=Decision(result), clauses=clauses)


def test_gate(inputs: ReportInputs) -> None:
    """The gate's tile has the answer and the number of clauses, so that it is no taller than the others."""
    assert tiles(inputs.evaluation)[-1] == Tile("Gate", "passed", "B may ship", "good")
    for result, n, tile in (
        ("fail", 1, Tile("Gate", "failed", "1 clause does not pass", "bad")),
        ("undecided", 2, Tile("Gate", "undecided", "2 clauses do not pass", "muted")),
    ):
        refused = inputs.evaluation.model_copy(update={"gate": gate_with(inputs.evaluation.gate, result, n)})
        assert tiles(refused)[-1] == tile


@pytest.mark.parametrize(
    ("scenario", "tone"),
    [
        (Scenario(**ONE), "good"),
        (Scenario(skill_a=0.9, skill_b=0.4, **ONE), "bad"),
        (Scenario(skill_a=0.6, skill_b=0.62, **ONE), "muted"),
        (Scenario(b_copies_a=True, **ONE), "muted"),
    ],
)
def test_tone(scenario: Scenario, tone: str) -> None:
    """Green only for a win, red only for a loss."""
    assert verdict_tone(Evaluation(scenario).result()) == tone


def test_words() -> None:
    """Models with their descriptions, the gate in words."""
    assert models(NAMES) == [("A", NAMES.a, NAMES.description_a), ("B", NAMES.b, NAMES.description_b)]
    assert gate_words(GateResult(result=Decision.PASS, clauses=[])) == "B may ship"
    for result in (Decision.FAIL, Decision.UNDECIDED):
        assert gate_words(GateResult(result=result, clauses=[])) == "B may not ship"
