"""The table of the first screen."""

from __future__ import annotations

import pytest
from tests.unit.reporter.builders import Evaluation, Scenario

from so8t_reporter.inputs import ReportInputs
from so8t_reporter.sections.decisions import decision_rows
from so8t_shared import formatting as fmt
from so8t_shared.results.answers import Sample
from so8t_shared.results.evaluation import AnswerLimit, EvaluationResult
from so8t_shared.results.interval import Interval
from so8t_shared.results.verdicts import Verdict

ONE = {"quantizations": ("q8_0",), "scorings": ("generate",)}


def lines(evaluation: EvaluationResult) -> dict[str, list[str]]:
    return {name: [cell.text for cell in cells] for name, cells in decision_rows(evaluation)}


def allowed(samples: list[Sample], side: str, golds: set[str]) -> tuple[int, int]:
    asked = [s for s in samples if (s.model, s.quantization, s.scoring) == (side, "q4_k_m", "constrained")]
    asked = [s for s in asked if s.gold in golds]
    return sum(s.predicted == "ALLOW" for s in asked), len(asked)


def test_dangers_are_counts(inputs: ReportInputs) -> None:
    """Dangerous answers stand there in words and as rows of how many, for A and for B, counted from the answers."""
    found = lines(inputs.evaluation)
    for name, golds in (
        ("Should be stopped, was allowed", {"DENY", "REFUSE"}),
        ("A human should decide, was allowed", {"ESCALATION"}),
    ):
        for place, side in enumerate("ab"):
            n, rows = allowed(inputs.samples, side, golds)
            assert found[name][place].startswith(f"{n} of {rows} (")


def test_decisions_and_form_are_apart(inputs: ReportInputs) -> None:
    """Decisions are those without free text; how many answers could be read is a line of its own, with its gain."""
    evaluation = inputs.evaluation
    assert evaluation.primary_scoring == "generate"
    assert evaluation.deciding_scoring == "constrained"
    found = lines(evaluation)
    assert "Right decisions, constrained scoring" in found
    invalid = {c.model: c.invalid for c in evaluation.cells if (c.quantization, c.scoring) == ("q4_k_m", "generate")}
    form = found["Form of the answer, generate scoring"]
    assert form[0] == f"read from {320 - invalid['a']} of 320 answers"
    assert form[1] == f"read from {320 - invalid['b']} of 320 answers"
    assert form[2].startswith(f"{100 * (invalid['a'] - invalid['b']) / 320:+.1f} (")


def test_one_scoring() -> None:
    """A single scoring decides, whether free or not."""
    assert Evaluation(Scenario(**ONE)).result().deciding_scoring == "generate"
    bound = Evaluation(Scenario(quantizations=("q8_0",), scorings=("constrained",))).result()
    assert bound.deciding_scoring == "constrained"
    assert not [name for name in lines(bound) if name.startswith("Form")]


def test_decisions_of_free_text_alone() -> None:
    """Without another scoring, decisions are the rows read from both models, apart from all answers."""
    evaluation = Evaluation(Scenario(**ONE)).result()
    read = evaluation.headline.read_from_both
    assert read is not None
    found = lines(evaluation)
    assert "Right answers, generate scoring" in found
    a, b, gain = found["Right decisions, rows read from both"]
    assert a == f"{read.both_right + read.only_a_right} of {read.n}"
    assert b == f"{read.both_right + read.only_b_right} of {read.n}"
    assert read.difference is not None
    assert gain.startswith(f"{100 * read.difference.value:+.1f} (")


def test_why_unread(inputs: ReportInputs) -> None:
    """An answer that was cut is not a wrong decision: the line says so."""
    e = inputs.evaluation
    cells = [c.model_copy(update={"invalid": 60 if c.model == "a" else 0, "cut": 56}) for c in e.cells]
    limit = AnswerLimit(max_new_tokens=12, longest_target_tokens=10)
    found = lines(e.model_copy(update={"cells": cells, "answer_limit": limit}))
    assert found["Form of the answer, generate scoring"][0] == "read from 260 of 320 answers (56 cut at 12 tokens)"


def test_nothing_compared() -> None:
    """Without a right row on either side, no difference is claimed."""
    evaluation = Evaluation(Scenario(skill_a=-1, skill_b=-1, **ONE)).result()
    assert evaluation.headline.verdict in {Verdict.NOTHING_RIGHT, Verdict.MOSTLY_UNREAD}
    assert lines(evaluation)["Right decisions, generate scoring"][2] == "not comparable"


def test_no_row_of_a_class(sparse: ReportInputs) -> None:
    """What no row defines is undefined."""
    found = lines(sparse.evaluation)
    assert found["Latency p50"] == ["undefined", "undefined", "nothing was timed"]
    none = sparse.evaluation.model_copy(update={"rates": []})
    assert lines(none)["Should be stopped, was allowed"] == ["undefined (n = 0)"] * 3


@pytest.mark.parametrize(
    ("scenario", "where"),
    [
        (Scenario(**ONE), "measured on workbench"),
        (Scenario(host_a="gpu-box", **ONE), "measured on gpu-box and workbench, not side by side: not comparable"),
        (Scenario(interleaved=False, **ONE), "measured on workbench, not side by side: not comparable"),
    ],
)
def test_latency(scenario: Scenario, where: str) -> None:
    """Latencies name their hosts, and whether they may be compared."""
    assert lines(Evaluation(scenario).result())["Latency p50"] == ["290 ms", "270 ms", where]


def test_counts() -> None:
    """A share is a count of rows; 0 of n has an upper bound."""
    five = Interval(value=5 / 45, low=0.048, high=0.235, rows=45)
    assert (five.hits, fmt.counted(five)) == (5, "5 of 45 (4.8 to 23.5%)")
    assert fmt.counted(Interval(value=0, low=0, high=0.079, rows=45)) == "0 of 45 (0.0 to 7.9%)"
    assert fmt.counted(Interval(value=0, low=0, high=1)) == "undefined (n = 0)"
