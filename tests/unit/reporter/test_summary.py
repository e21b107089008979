"""The one-sentence answer: it says what the numbers say, and no more."""

from __future__ import annotations

import pytest
from tests.unit.reporter.builders import Evaluation, Scenario

from so8t_reporter.summary import figures, headline, headline_with_figures, summary_sentence
from so8t_shared.results.comparison import Comparison
from so8t_shared.results.evaluation import AnswerLimit, EvaluationResult
from so8t_shared.results.interval import Interval
from so8t_shared.results.verdicts import WORDS, Verdict

SMALL = {"quantizations": ("q8_0", "q4_k_m"), "scorings": ("generate", "constrained")}


@pytest.fixture(scope="module")
def better() -> EvaluationResult:
    """B clearly better than A."""
    return Evaluation(Scenario(**SMALL)).result()


def changed(evaluation: EvaluationResult, place: int, **update: object) -> EvaluationResult:
    """The evaluation with one comparison altered."""
    comparisons = list(evaluation.comparisons)
    comparisons[place] = comparisons[place].model_copy(update=update)
    return evaluation.model_copy(update={"comparisons": comparisons})


def headline_place(evaluation: EvaluationResult) -> int:
    return evaluation.comparisons.index(evaluation.headline)


def tied(comparison: Comparison) -> Comparison:
    """The comparison with as many rows lost as gained."""
    rows = comparison.n // 2
    return comparison.model_copy(
        update={
            "both_right": rows, "only_a_right": 7, "only_b_right": 7, "both_wrong": comparison.n - rows - 14,
            "accuracy_a": (rows + 7) / comparison.n, "accuracy_b": (rows + 7) / comparison.n,
            "accuracy_difference": Interval(value=0, low=-0.02, high=0.02), "p_value": 1.0, "p_adjusted": 1.0,
            "read_from_both": None,
            "verdict": Verdict.TIE,
        }
    )  # fmt: skip


def assert_figures(sentence: str, comparison: Comparison, p: str) -> None:
    """Both counts and shares, difference, interval, p value and n stand in the sentence."""
    c, d = comparison, comparison.accuracy_difference
    assert f"B got {c.both_right + c.only_b_right} of {c.n} test rows right ({100 * c.accuracy_b:.1f}%)" in sentence
    assert f"A {c.both_right + c.only_a_right} ({100 * c.accuracy_a:.1f}%)" in sentence
    assert f"B minus A {100 * d.value:+.1f} points (95% CI {100 * d.low:+.1f} to {100 * d.high:+.1f})" in sentence
    assert f"), {p}" in sentence


def test_b_better(better: EvaluationResult) -> None:
    """B's win is stated with all its figures, the other scoring, the other quantization and the control."""
    sentence = summary_sentence(better)
    assert sentence.startswith("B is better than A at q4_k_m with generate scoring: ")
    assert_figures(sentence, better.headline, "p < 0.001")
    other = better.comparisons[3].accuracy_difference
    assert f"; constrained scoring agrees ({100 * other.value:+.1f} points)" in sentence
    assert sentence.endswith(
        "; the same holds at q8_0; the A/A control at q4_k_m with generate scoring shows no difference."
    )


def test_a_better() -> None:
    """A loss is stated as plainly as a win."""
    evaluation = Evaluation(Scenario(skill_a=0.9, skill_b=0.5, **SMALL)).result()
    sentence = summary_sentence(evaluation)
    assert sentence.startswith("A is better than B at q4_k_m")
    assert_figures(sentence, evaluation.headline, "p < 0.001")
    assert "B is better" not in sentence


def test_no_difference() -> None:
    """A difference that is not significant is not claimed, and the size of the test is given."""
    evaluation = Evaluation(Scenario(skill_a=0.6, skill_b=0.63, **SMALL)).result()
    sentence = summary_sentence(evaluation)
    assert evaluation.headline.only_b_right != evaluation.headline.only_a_right
    assert sentence.startswith("No difference between A and B is shown at q4_k_m")
    assert evaluation.headline.p == evaluation.headline.p_value
    assert_figures(sentence, evaluation.headline, f"p = {evaluation.headline.p_value:.2g}")
    assert f"; {evaluation.plan.reach}; " in sentence
    assert "observed difference" not in sentence  # the rows to find it again follow from p alone
    assert "better" not in sentence


def test_same_classes() -> None:
    """The same class read from every answer is called that; nothing is claimed about the answers' texts."""
    evaluation = Evaluation(Scenario(b_copies_a=True, **SMALL)).result()
    sentence = summary_sentence(evaluation)
    assert sentence.startswith("No class differs between A and B at q4_k_m")
    assert f"of 320 test rows right ({100 * evaluation.headline.accuracy_a:.1f}%)" in sentence
    assert "B minus A 0.0 points (95% CI -1.2 to +1.2), p = 1.00" in sentence
    assert "constrained scoring agrees" in sentence
    assert "identical" not in sentence
    assert "worded differently" not in sentence
    for differing, words in ((8, ", 8 answers are worded differently"), (1, ", 1 answer is worded differently")):
        worded = changed(evaluation, headline_place(evaluation), differing_answers=differing)
        assert words in summary_sentence(worded)
    assert "better" not in sentence


def unreadable(evaluation: EvaluationResult, side: str, *, invalid: int, cut: int = 0) -> EvaluationResult:
    """The evaluation with answers of one side from which no class can be read, in the headline's setting."""
    c = evaluation.headline
    setting = (side, c.quantization, c.scoring)
    cells = [
        cell.model_copy(update={"invalid": invalid, "cut": cut})
        if (cell.model, cell.quantization, cell.scoring) == setting
        else cell
        for cell in evaluation.cells
    ]
    limit = AnswerLimit(max_new_tokens=12, longest_target_tokens=10)
    return evaluation.model_copy(update={"cells": cells, "answer_limit": limit})


def test_unreadable_answers(better: EvaluationResult) -> None:
    """Answers without a class are counted for each model that gave some, with the limit that cut them."""
    clean = unreadable(unreadable(better, "a", invalid=0), "b", invalid=0)
    assert "could be read" not in summary_sentence(clean)
    a = unreadable(clean, "a", invalid=60, cut=56)
    assert "; no class could be read from 60 of A's 320 answers (56 cut at 12 tokens); " in summary_sentence(a)
    both = unreadable(a, "b", invalid=2)
    assert "60 of A's 320 answers (56 cut at 12 tokens) and 2 of B's 320 answers; " in summary_sentence(both)


def test_nothing_read() -> None:
    """Where no class could be read at all nothing is said to be the same; what the others show stands by itself."""
    evaluation = Evaluation(Scenario(b_copies_a=True, **SMALL)).result()
    for side in "ab":
        evaluation = unreadable(evaluation, side, invalid=320)
    evaluation = changed(
        evaluation, headline_place(evaluation), unread_a=320, unread_b=320, flips=[], verdict=Verdict.NOTHING_READ
    )
    sentence = summary_sentence(evaluation)
    assert headline(evaluation) == "Nothing could be compared: no class could be read from A or B"
    assert sentence.startswith(
        "Nothing could be compared: no class could be read from A or B at q4_k_m with generate scoring; no class could"
        " be read from 320 of A's 320 answers and 320 of B's 320 answers; with constrained scoring no class differs"
    )
    assert not any(words in sentence for words in ("the same", "agrees", "either", "nor is"))


def test_tie(better: EvaluationResult) -> None:
    """As many rows gained as lost is a tie."""
    evaluation = better.model_copy(deep=True)
    evaluation.comparisons[headline_place(better)] = tied(better.headline)
    sentence = summary_sentence(evaluation)
    assert sentence.startswith("A and B tie at q4_k_m with generate scoring: both got 167 of 320 test rows right")
    assert "7 gained and as many lost" in sentence
    assert headline(evaluation) == "A and B tie"
    nobody = changed(evaluation, headline_place(better), only_a_right=0, only_b_right=0)
    assert "of 320 test rows right, none gained or lost, B minus A" in summary_sentence(nobody)


def test_other_scoring_disagrees(better: EvaluationResult) -> None:
    """A scoring that shows something else is not passed over."""
    evaluation = better.model_copy(deep=True)
    evaluation.comparisons[3] = tied(evaluation.comparisons[3])
    assert "constrained scoring disagrees: A and B tie (0.0 points)" in summary_sentence(evaluation)


def test_other_quantization_disagrees(better: EvaluationResult) -> None:
    """A quantization that shows something else is named."""
    evaluation = better.model_copy(deep=True)
    evaluation.comparisons[0] = tied(evaluation.comparisons[0])
    sentence = summary_sentence(evaluation)
    assert "; A and B tie at q8_0 (0.0 points)" in sentence
    assert "the same holds" not in sentence


def test_the_same_is_only_said_of_the_same_verdict() -> None:
    """The same classes at one quantization, some gained at another: that is not the same."""
    evaluation = Evaluation(Scenario(b_copies_a=True, **SMALL)).result()
    moved = {"only_b_right": 6, "only_a_right": 2, "verdict": Verdict.NO_DIFFERENCE, "p_adjusted": 1.0}
    moved |= {"accuracy_difference": Interval(value=4 / 60, low=-0.02, high=0.15)}
    for place in (0, 3):  # q8_0 under the same scoring, and the other scoring
        evaluation = changed(evaluation, place, **moved)
    sentence = summary_sentence(evaluation)
    assert "; nor is a difference shown at q8_0 (+6.7 points);" in sentence
    assert "; constrained scoring shows no difference either (+6.7 points);" in sentence
    assert "the same holds" not in sentence
    assert "agrees" not in sentence


def test_control_differs(better: EvaluationResult) -> None:
    """Answers that differ cast doubt on everything, even where as many were gained as lost, and this is said."""
    assert better.control is not None
    control = tied(better.control).model_copy(update={"differing_answers": 20})
    evaluation = better.model_copy(update={"control": control})
    assert (
        "but the A/A control at q4_k_m with generate scoring is not deterministic: 20 of A's 320 answers differ when"
        in summary_sentence(evaluation)
    )
    once = evaluation.model_copy(update={"control": control.model_copy(update={"differing_answers": 1})})
    assert "1 of A's 320 answers differs when" in summary_sentence(once)
    assert "in doubt" in summary_sentence(evaluation)


def test_without_control(better: EvaluationResult) -> None:
    """A control that was not run does not count as passed."""
    sentence = summary_sentence(better.model_copy(update={"control": None}))
    assert sentence.endswith("; no A/A control was run.")


def test_headline_with_figures(better: EvaluationResult) -> None:
    """Titles carry difference and p value."""
    value = 100 * better.headline.accuracy_difference.value
    assert headline_with_figures(better) == f"B is better than A at q4_k_m: {value:+.1f} points, p < 0.001"


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if not verdict.compared])
def test_titles_without_a_comparison(better: EvaluationResult, verdict: Verdict) -> None:
    """Where nothing could be compared, no difference and no p is told, in the title or the sentence."""
    evaluation = changed(better, headline_place(better), verdict=verdict)
    assert headline_with_figures(evaluation) == f"{WORDS[verdict].title} at q4_k_m"
    sentence = summary_sentence(evaluation)
    assert sentence.startswith(f"{WORDS[verdict].title} at q4_k_m with generate scoring")
    assert "B minus A" not in sentence
    assert "p " not in sentence.split(";")[0]


def test_nothing_right() -> None:
    """A tie at zero is called what it is."""
    evaluation = Evaluation(Scenario(skill_a=-1, skill_b=-1, **SMALL)).result()
    assert summary_sentence(evaluation).startswith(
        "Nothing could be compared: neither A nor B was right on any row at q4_k_m with generate scoring: B got 0 of"
        " 320 test rows right, A 0;"
    )


def test_figures(better: EvaluationResult) -> None:
    """Difference, interval and the deciding p."""
    d = better.headline.accuracy_difference
    alone = better.headline.model_copy(update={"p_adjusted": None, "p_value": 0.0312})
    words = f"{100 * d.value:+.1f} points (95% CI {100 * d.low:+.1f} to {100 * d.high:+.1f}), p = 0.031"
    assert figures(alone, better) == words
    assert figures(alone.model_copy(update={"p_adjusted": 0.2}), better).endswith("), p = 0.2")


def test_form_and_decisions_are_told_apart(better: EvaluationResult) -> None:
    """Where answers could not be read, the sentence divides the difference; elsewhere it does not."""
    read = better.headline.read_from_both
    assert read is not None
    form, decisions = read.parts(better.headline.accuracy_difference.value, better.headline.n)
    parts = f"form {100 * form:+.1f} points, decisions {100 * decisions:+.1f}"
    assert f"; of this, {parts}: on the {read.n} rows read from both" in summary_sentence(better)
    whole = changed(better, headline_place(better), read_from_both=None)
    assert "read from both" not in summary_sentence(whole)
