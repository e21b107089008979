"""What is kept of an answer."""

from __future__ import annotations

import pytest
from tests.unit.evaluator.asked import BOTH, ROWS, SETTINGS, answer, ask, make_pair
from tests.unit.evaluator.material import CUT, TOO_LONG, ScriptedEngine, make_chat, make_file

from so8t_engines.protocol import Completion
from so8t_evaluator.asking import Candidate, Respondent, StoredAnswer, as_side, ask_all
from so8t_evaluator.scoring import _LONGEST_ANSWER_TOKENS
from so8t_shared.artifacts.segment_cache import SegmentCache
from so8t_shared.labels import LABELS
from so8t_shared.tables.scorings import Scoring


def test_log_probabilities_are_kept(cache: SegmentCache) -> None:
    """With logprob scoring each label's is stored with the answer, also when it is reused; with the others none is."""
    scorings: list[Scoring] = ["logprob", "generate"]
    for run in ("first", "second"):
        samples = ask_all(make_pair(ScriptedEngine(answer), cache, run), ROWS, scorings, lambda sample: None)
        assert [s.scoring for s in samples] == ["generate", "logprob"] * (2 * len(ROWS))
        for sample in samples:
            likely = {**dict.fromkeys(LABELS, -9.0), **({"DENY": -0.5} if sample.model == "a" else {})}
            assert sample.logprobs == (likely if sample.scoring == "logprob" else None)


def test_thinking_comes_first_where_it_was_trained(cache: SegmentCache) -> None:
    """Only a model that was trained to think does so before its labels are scored, for as long as an answer may be."""
    for thinks, limit in ((True, 48), (False, _LONGEST_ANSWER_TOKENS)):
        engine = ScriptedEngine(answer)
        candidate = Candidate("b", "q8_0", make_file("b"), make_chat(), thinks=thinks)
        ask_all([Respondent(candidate, engine, SETTINGS, cache, "run")], ROWS[:1], ["logprob"], lambda sample: None)
        ((_, _, options),) = engine.asked
        assert (options.score, options.think, options.max_tokens) == (True, thinks, limit)


def test_over_long_is_counted(cache: SegmentCache) -> None:
    """A prompt that does not fit is INVALID with its length, is kept, and spoils nothing after it."""
    engine = ScriptedEngine(lambda _, prompt: TOO_LONG if "row-1" in prompt else "<final>DENY</final>")
    samples = ask(engine, cache)
    long = [s for s in samples if s.row_id == "row-1"]
    assert len(long) == 4
    assert {(s.predicted, s.over_long, s.prompt_tokens, s.completion_tokens) for s in long} == {
        ("INVALID", True, 9999, 0)
    }
    assert {(s.predicted, s.over_long) for s in samples if s not in long} == {("DENY", False)}
    again = ScriptedEngine(answer)
    assert ask(again, cache) == samples
    assert again.asked == []


def test_host_is_the_engines(cache: SegmentCache) -> None:
    """A server on another host is what was measured."""
    engine = ScriptedEngine(lambda model, _: TOO_LONG if model == "a" else "", host="gpu-box")
    assert {sample.host for sample in ask(engine, cache)} == {"gpu-box"}


def test_peak_memory(cache: SegmentCache) -> None:
    """The highest seen, also from answers that were given before."""
    first, second = make_pair(ScriptedEngine(answer), cache), make_pair(ScriptedEngine(answer), cache, "later")
    for pair in (first, second):
        ask_all(pair, ROWS, BOTH, lambda sample: None)
    assert [r.peak_memory_bytes for r in first] == [r.peak_memory_bytes for r in second] == [8, 16]


def test_cut_answers_are_told_apart(cache: SegmentCache) -> None:
    """An answer that ended at the limit says so, also when it is taken from memory."""
    cut = f"{CUT}<think-task>on and on"
    engine = ScriptedEngine(lambda _, prompt: cut if "row-1" in prompt else "<final>DENY</final>")
    samples = ask(engine, cache)
    assert {(s.row_id, s.predicted) for s in samples if s.cut} == {("row-1", "INVALID")}
    assert ask(ScriptedEngine(answer), cache) == samples


def test_as_side(cache: SegmentCache) -> None:
    """The same sample under the other side's name."""
    sample = ask(ScriptedEngine(answer), cache)[0]
    other = as_side(sample, "b")
    assert (sample.model, other.model) == ("a", "b")
    assert as_side(other, "a") == sample


def test_the_reading_is_stored(cache: SegmentCache) -> None:
    """The text inside <final> is cut at 200 characters; what a lenient reading finds stands beside the class."""
    answers = {"a": f"<final>{'x' * 500}</final>", "b": "<final>DENIED</final>"}
    samples = ask(ScriptedEngine(lambda model, _: answers[model]), cache)
    found = {(s.model, s.predicted, s.final, s.lenient) for s in samples}
    assert found == {("a", "INVALID", "x" * 200, "INVALID"), ("b", "INVALID", "DENIED", "DENY")}


def _thoughtful(model: str, _: str) -> str:
    return "<think>is it?</think>Mail a@example.com: <final>DENY</final>" if model == "a" else "no idea"


def test_what_was_written_is_kept(cache: SegmentCache) -> None:
    """The text outside thinking, redacted; of thinking its length and digest."""
    samples = {s.model: s for s in ask(ScriptedEngine(_thoughtful), cache)}
    assert (samples["a"].text, samples["b"].text) == (
        "Mail [redacted: e-mail address]: <final>DENY</final>",
        "no idea",
    )
    assert (samples["a"].thinking_chars, samples["b"].thinking_chars) == (len("<think>is it?</think>"), 0)
    assert (len(samples["a"].thinking_sha256), samples["b"].thinking_sha256) == (64, "")


@pytest.mark.parametrize(
    ("logprobs", "bounds", "predicted"),
    [
        ((-4.0, -3.0, -0.2, -9.0), None, "DENY"),
        ((-4.0, -3.0, -0.2, -9.0), (True, False, False, True), "DENY"),
        ((-1.0, -3.0, -2.0, -9.0), (True, False, False, True), "INVALID"),
    ],
    ids=["all known", "bounds below the best", "the best is only a bound"],
)
def test_scored_labels_decide_and_not_the_text(
    logprobs: tuple[float, ...], bounds: tuple[bool, ...] | None, predicted: str
) -> None:
    """Also after thinking that was never closed; nothing that the model did not write is kept as its words."""
    completion = Completion(
        "<think>a long thought <final>DENY</final>",
        10,
        5,
        1.0,
        0.5,
        peak_memory_bytes=1,
        logprobs=logprobs,
        bounds=bounds,
    )
    answer = StoredAnswer.of(completion, host="h", fingerprint="f", keep_text=True)
    assert (answer.predicted, answer.lenient, answer.text, answer.final) == (predicted, predicted, "", "")
    assert answer.thinking_chars > 0
