"""What the other settings say: one clause for each thing said, whatever the verdicts."""

from __future__ import annotations

from itertools import product

import pytest
from tests.unit.reporter.builders import Evaluation, Scenario

from so8t_reporter.agreement import listed, other_quantizations, other_scorings
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.interval import Interval
from so8t_shared.results.verdicts import WORDS, Verdict
from so8t_shared.tables.quantizations import Quantization

DIFFERENCES = {"f16": 0.083, "q8_0": -0.1, "q4_k_m": 0.05}


@pytest.fixture(scope="module")
def evaluation() -> EvaluationResult:
    """Three quantizations under two scorings; the headline is q4_k_m with generate."""
    return Evaluation(Scenario(support={"ALLOW": 4, "ESCALATION": 4, "DENY": 4, "REFUSE": 4})).result()


def with_verdicts(
    evaluation: EvaluationResult, headline: Verdict, other_scoring: Verdict = Verdict.TIE, **others: Verdict
) -> EvaluationResult:
    """The evaluation with these verdicts, and differences by which the quantizations can be told apart."""
    verdicts = {**others, "q4_k_m": headline}
    comparisons = [
        c.model_copy(
            update={
                "verdict": verdicts[c.quantization] if c.scoring == "generate" else other_scoring,
                "accuracy_difference": Interval(value=DIFFERENCES[c.quantization], low=-1, high=1),
            }
        )
        for c in evaluation.comparisons
    ]
    return evaluation.model_copy(update={"comparisons": comparisons})


B, A, NONE, TIE = Verdict.B_BETTER, Verdict.A_BETTER, Verdict.NO_DIFFERENCE, Verdict.TIE
SAME, UNREAD = Verdict.SAME_CLASSES, Verdict.NOTHING_READ


@pytest.mark.parametrize(
    ("headline", "f16", "q8_0", "clause"),
    [
        (B, B, B, "the same holds at f16 and q8_0"),
        (B, NONE, NONE, "no difference is shown at f16 (+8.3 points) and q8_0 (-10.0 points)"),
        (B, B, A, "the same holds at f16, but A is better at q8_0 (-10.0 points)"),
        (B, A, B, "the same holds at q8_0, but A is better at f16 (+8.3 points)"),
        (B, NONE, A, "no difference is shown at f16 (+8.3 points), and A is better at q8_0 (-10.0 points)"),
        (NONE, NONE, SAME, "nor is a difference shown at f16 (+8.3 points) and q8_0 (-10.0 points)"),
        (NONE, TIE, B, "nor is a difference shown at f16 (+8.3 points), but B is better at q8_0 (-10.0 points)"),
        (NONE, B, UNREAD, "B is better at f16 (+8.3 points), and no class could be read from A or B at q8_0"),
        (UNREAD, UNREAD, UNREAD, "the same holds at f16 and q8_0"),
        (UNREAD, UNREAD, NONE, "the same holds at f16, but no difference is shown at q8_0 (-10.0 points)"),
    ],
)
def test_quantizations(
    evaluation: EvaluationResult, headline: Verdict, f16: Verdict, q8_0: Verdict, clause: str
) -> None:
    """Like is joined with like by "and", and set against what is unlike by "but"."""
    assert other_quantizations(with_verdicts(evaluation, headline, f16=f16, q8_0=q8_0)) == clause


@pytest.mark.parametrize(("headline", "f16", "q8_0"), [*product(Verdict, repeat=3)])
def test_every_verdict(evaluation: EvaluationResult, headline: Verdict, f16: Verdict, q8_0: Verdict) -> None:
    """Each quantization is named once, nothing is said twice, and "but" only parts what differs from what does not."""
    clause = other_quantizations(with_verdicts(evaluation, headline, f16=f16, q8_0=q8_0))
    like = [v == headline or (v.undecided and headline.undecided) for v in (f16, q8_0)]
    names: tuple[Quantization, ...] = ("f16", "q8_0")
    assert [clause.count(name) for name in names] == [1, 1]
    assert clause.count(", but ") == (like[0] != like[1])
    assert ("the same holds" in clause) == (any(like) and not headline.undecided)
    assert ("nor is a difference shown" in clause) == (any(like) and headline.undecided)
    for verdict in {v for v, alike in zip((f16, q8_0), like, strict=True) if not alike}:
        assert clause.count(WORDS[verdict].clause) == 1


@pytest.mark.parametrize(
    ("headline", "other", "clause"),
    [
        (B, B, "constrained scoring agrees (+5.0 points)"),
        (B, A, "constrained scoring disagrees: A is better (+5.0 points)"),
        (NONE, TIE, "constrained scoring shows no difference either (+5.0 points)"),
        (NONE, NONE, "constrained scoring agrees (+5.0 points)"),
        (UNREAD, NONE, "with constrained scoring no difference is shown (+5.0 points)"),
        (UNREAD, UNREAD, "with constrained scoring no class could be read from A or B"),
        (B, UNREAD, "with constrained scoring no class could be read from A or B"),
    ],
)
def test_scorings(evaluation: EvaluationResult, headline: Verdict, other: Verdict, clause: str) -> None:
    """The other scoring agrees, does not, or has nothing to agree with."""
    assert other_scorings(with_verdicts(evaluation, headline, other, f16=B, q8_0=B)) == [clause]


def test_nothing_else() -> None:
    """One setting alone has no other to speak of."""
    alone = Evaluation(Scenario(quantizations=("q8_0",), scorings=("generate",))).result()
    assert (other_quantizations(alone), other_scorings(alone)) == ("", [])


def test_lists() -> None:
    """Words as a list in a sentence."""
    assert [listed(["a", "b", "c"][:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
