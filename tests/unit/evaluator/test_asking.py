"""Asking models row by row: nothing twice, nothing lost, nothing left open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.evaluator.material import (
    CUT,
    TOO_LONG,
    Killed,
    NotClosed,
    ScriptedEngine,
    make_chat,
    make_file,
    make_row,
)

from so8t_evaluator import answer_key
from so8t_evaluator.asking import CHUNK_ROWS, Candidate, Respondent, StoredAnswer, as_side, ask_all
from so8t_evaluator.disturbance import ControlLoad
from so8t_evaluator.engine.protocol import Completion
from so8t_evaluator.scoring import _LONGEST_ANSWER_TOKENS
from so8t_shared.artifacts.segment_cache import SegmentCache
from so8t_shared.config.model import AbTest
from so8t_shared.host import host_name
from so8t_shared.labels import LABELS
from so8t_shared.results.answers import Sample
from so8t_shared.results.sides import Side
from so8t_shared.store.local import LocalStore
from so8t_shared.tables.scorings import Scoring

ROWS = [make_row(f"row-{i}", "DENY") for i in range(4)]
BOTH: list[Scoring] = ["constrained", "generate"]
SETTINGS = AbTest(max_new_tokens=48)


@pytest.fixture
def cache(tmp_path: Path) -> SegmentCache:
    """Answers kept in a store, as in a run."""
    return SegmentCache(LocalStore(tmp_path / "store"), "answers", "run")


def _answer(model: str, _: str) -> str:
    return "<final>DENY</final>" if model == "a" else "no idea"


def _pair(engine: ScriptedEngine, cache: SegmentCache, run: str = "run", **other: Any) -> list[Respondent]:
    sides: tuple[Side, Side] = ("a", "b")
    return [
        Respondent(Candidate(side, "q8_0", make_file(side), make_chat()), engine, SETTINGS, cache, run, **other)
        for side in sides
    ]


def _ask(engine: ScriptedEngine, cache: SegmentCache, run: str = "run", **other: Any) -> list[Sample]:
    return ask_all(_pair(engine, cache, run, **other), ROWS, BOTH, lambda sample: None)


def _but_reused(samples: list[Sample]) -> list[dict[str, Any]]:
    return [sample.model_dump(exclude={"reused"}) for sample in samples]


def test_samples(cache: SegmentCache) -> None:
    """Each answer is read, measured and told to the caller as it comes."""
    engine, told = ScriptedEngine(_answer), list[Sample]()
    samples = ask_all(_pair(engine, cache), ROWS, BOTH, told.append)
    assert sorted(told, key=str) == sorted(samples, key=str)
    assert len(samples) == 2 * len(ROWS) * 2
    first = samples[0]
    assert (first.model, first.quantization, first.row_id, first.gold) == ("a", "q8_0", "row-0", "DENY")
    assert (first.predicted, first.final, first.latency_ms, first.reused) == ("DENY", "DENY", 1.0, False)
    assert {s.predicted for s in samples if s.model == "b"} == {"INVALID"}


def test_generate_is_asked_first(cache: SegmentCache) -> None:
    """It computes the prompt that the others go on from, whatever the order; samples keep the tables' order."""
    engine = ScriptedEngine(_answer)
    samples = _ask(engine, cache)
    assert [bool(options.grammar) for *_, options in engine.asked] == [False, True] * (2 * len(ROWS))
    assert [s.scoring for s in samples] == ["generate", "constrained"] * (2 * len(ROWS))


def _ask_timed(engine: ScriptedEngine, cache: SegmentCache, run: str = "run") -> tuple[list[Sample], list[Respondent]]:
    pair = _pair(engine, cache, run)
    return ask_all(pair, ROWS, BOTH, lambda sample: None, timed_rows=2), pair


def test_timed_rows_come_first(cache: SegmentCache, tmp_path: Path) -> None:
    """Alone, written, in turns; they count as answers, so that nothing is asked twice, and these are the same."""
    engine = ScriptedEngine(_answer)
    samples, pair = _ask_timed(engine, cache)
    assert [(model, bool(options.grammar)) for model, _, options in engine.asked[:4]] == [(m, False) for m in "abba"]
    assert len(engine.asked) == len(samples)
    assert [[(s.row_id, s.scoring, s.timed) for s in r.timed] for r in pair] == [
        [("row-0", "generate", True), ("row-1", "generate", True)]
    ] * 2
    assert {s.row_id for s in samples if s.timed} == {"row-0", "row-1"}
    plain = _ask(ScriptedEngine(_answer), SegmentCache(LocalStore(tmp_path / "other"), "answers", "run"))
    measured = {"latency_ms", "timed", "disturbed"}
    assert [s.model_dump(exclude=measured) for s in samples] == [s.model_dump(exclude=measured) for s in plain]


def test_only_timed_answers_are_measurements(cache: SegmentCache) -> None:
    """A stored answer that was not timed is asked again to time it, one that was is not, also by another run."""
    _ask(ScriptedEngine(_answer), cache)
    for run, asked in (("run", 4), ("run", 0), ("later", 0)):
        engine = ScriptedEngine(_answer)
        _, pair = _ask_timed(engine, cache, run)
        assert len(engine.asked) == asked
        assert {(s.timed, s.reused) for r in pair for s in r.timed} == {(True, run == "later")}


def test_other_work_is_noticed(cache: SegmentCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before or after an answer, on this machine; of another machine's load nothing is known."""
    slow = iter([False, False, True, False, False, False, True])
    monkeypatch.setattr(ControlLoad, "is_disturbed", lambda self: next(slow))
    _, pair = _ask_timed(ScriptedEngine(_answer, host=host_name(), speed_settings={"threads": 1}), cache)
    assert [[s.disturbed for s in r.timed] for r in pair] == [[False, True], [True, False]]
    _, pair = _ask_timed(ScriptedEngine(_answer, host="gpu-box"), cache)
    assert {s.disturbed for r in pair for s in r.timed} == {None}


def test_log_probabilities_are_kept(cache: SegmentCache) -> None:
    """With logprob scoring each label's is stored with the answer, also when it is reused; with the others none is."""
    scorings: list[Scoring] = ["logprob", "generate"]
    for run in ("first", "second"):
        samples = ask_all(_pair(ScriptedEngine(_answer), cache, run), ROWS, scorings, lambda sample: None)
        assert [s.scoring for s in samples] == ["generate", "logprob"] * (2 * len(ROWS))
        for sample in samples:
            likely = {**dict.fromkeys(LABELS, -9.0), **({"DENY": -0.5} if sample.model == "a" else {})}
            assert sample.logprobs == (likely if sample.scoring == "logprob" else None)


def test_thinking_comes_first_where_it_was_trained(cache: SegmentCache) -> None:
    """Only a model that was trained to think does so before its labels are scored, for as long as an answer may be."""
    for thinks, limit in ((True, 48), (False, _LONGEST_ANSWER_TOKENS)):
        engine = ScriptedEngine(_answer)
        candidate = Candidate("b", "q8_0", make_file("b"), make_chat(), thinks=thinks)
        ask_all([Respondent(candidate, engine, SETTINGS, cache, "run")], ROWS[:1], ["logprob"], lambda sample: None)
        ((_, _, options),) = engine.asked
        assert (options.score, options.think, options.max_tokens) == (True, thinks, limit)


def test_they_take_turns(cache: SegmentCache) -> None:
    """By chunks of rows, each model goes first every other time; rows keep their order."""
    rows = [make_row(f"row-{i}", "DENY") for i in range(2 * CHUNK_ROWS + 1)]
    engine = ScriptedEngine(_answer)
    samples = ask_all(_pair(engine, cache), rows, ["generate"], lambda sample: None)
    turns = [model for model, *_ in engine.asked]
    assert turns == [*"a" * CHUNK_ROWS, *"b" * CHUNK_ROWS, *"b" * CHUNK_ROWS, *"a" * CHUNK_ROWS, "a", "b"]
    assert [s.row_id for s in samples if s.model == "b"] == [row.id for row in rows]


def test_grammar_only_when_constrained(cache: SegmentCache) -> None:
    """The engine gets the options of each way of asking."""
    engine, told = ScriptedEngine(_answer), list[Sample]()
    ask_all(_pair(engine, cache), ROWS, BOTH, told.append)
    assert [bool(options.grammar) for *_, options in engine.asked] == [s.scoring == "constrained" for s in told]


def test_nothing_is_asked_twice(cache: SegmentCache) -> None:
    """The same again loads nothing, asks nothing, and gives the same samples."""
    first = _ask(ScriptedEngine(_answer), cache)
    engine = ScriptedEngine(_answer)
    assert _ask(engine, cache) == first
    assert (engine.asked, engine.loads) == ([], [])


def test_each_model_is_loaded_once(cache: SegmentCache) -> None:
    """Loaded with the first question, unloaded at the end."""
    engine = ScriptedEngine(_answer)
    _ask(engine, cache)
    assert (sorted(engine.loads), engine.open) == (["a", "b"], [])


@pytest.mark.parametrize("killed_at", range(0, 16, 3))
def test_resume_asks_only_the_rest(cache: SegmentCache, tmp_path: Path, killed_at: int) -> None:
    """After a death at any question only the rest is asked, and the answers are those of a run without one."""
    whole_engine = ScriptedEngine(_answer)
    whole = _ask(whole_engine, SegmentCache(LocalStore(tmp_path / "other"), "answers", "run"))
    dying = ScriptedEngine(_answer, dies_after=killed_at)
    with pytest.raises(Killed):
        _ask(dying, cache)
    engine = ScriptedEngine(_answer)
    resumed = _ask(engine, cache)
    assert dying.asked + engine.asked == whole_engine.asked
    for again, expected in zip(resumed, whole, strict=True):
        assert again.model_copy(update={"latency_ms": 0}) == expected.model_copy(update={"latency_ms": 0})


def test_own_answers_are_not_reused_ones(cache: SegmentCache) -> None:
    """Answers of an interrupted attempt of the same evaluation do not count as taken from an earlier one."""
    with pytest.raises(Killed):
        _ask(ScriptedEngine(_answer, dies_after=5), cache)
    assert not any(sample.reused for sample in _ask(ScriptedEngine(_answer), cache))


def test_answers_of_another_run_are_reused(cache: SegmentCache) -> None:
    """They are the same answers and say that they come from an earlier measurement."""
    first = _ask(ScriptedEngine(_answer), cache, "yesterday")
    second = _ask(ScriptedEngine(_answer), cache, "today")
    assert _but_reused(second) == _but_reused(first)
    assert not any(sample.reused for sample in first)
    assert all(sample.reused for sample in second)


@pytest.mark.parametrize(
    "change",
    [{"version": "2"}, {"name": "other"}, {"answer_settings": {"num_ctx": 1}}, {"host": "gpu-box"}],
    ids=["version", "name", "settings", "host"],
)
def test_another_engine_is_asked_anew(cache: SegmentCache, change: dict[str, Any]) -> None:
    """What an engine of another version or setting said stands for nothing, nor what it said on another host."""
    _ask(ScriptedEngine(_answer), cache)
    engine = ScriptedEngine(_answer, **change)
    _ask(engine, cache)
    assert len(engine.asked) == 16


def test_timing_settings_do_not_matter(cache: SegmentCache) -> None:
    """Threads change no answer."""
    _ask(ScriptedEngine(_answer), cache)
    engine = ScriptedEngine(_answer, speed_settings={"threads": 8})
    _ask(engine, cache)
    assert engine.asked == []


def test_salt_asks_anew(cache: SegmentCache) -> None:
    """The control takes nothing from the first asking, but resumes from its own."""
    _ask(ScriptedEngine(_answer), cache)
    engine = ScriptedEngine(_answer)
    _ask(engine, cache, salt="control")
    _ask(engine, cache, salt="control")
    assert len(engine.asked) == 16


def test_over_long_is_counted(cache: SegmentCache) -> None:
    """A prompt that does not fit is INVALID with its length, is kept, and spoils nothing after it."""
    engine = ScriptedEngine(lambda _, prompt: TOO_LONG if "row-1" in prompt else "<final>DENY</final>")
    samples = _ask(engine, cache)
    long = [s for s in samples if s.row_id == "row-1"]
    assert len(long) == 4
    assert {(s.predicted, s.over_long, s.prompt_tokens, s.completion_tokens) for s in long} == {
        ("INVALID", True, 9999, 0)
    }
    assert {(s.predicted, s.over_long) for s in samples if s not in long} == {("DENY", False)}
    again = ScriptedEngine(_answer)
    assert _ask(again, cache) == samples
    assert again.asked == []


@pytest.mark.parametrize("dies_after", [0, 1, 2, 7])
def test_models_are_closed_when_the_engine_dies(cache: SegmentCache, dies_after: int) -> None:
    """Whatever was loaded is unloaded."""
    engine = ScriptedEngine(_answer, dies_after=dies_after)
    with pytest.raises(Killed):
        _ask(engine, cache)
    assert engine.loads
    assert engine.open == []


def test_models_are_closed_when_the_caller_stops(cache: SegmentCache) -> None:
    """An exception from the report of progress ends the asking; the answer just given is kept."""

    def stop(_: Sample) -> None:
        raise KeyboardInterrupt

    engine = ScriptedEngine(_answer)
    with pytest.raises(KeyboardInterrupt):
        ask_all(_pair(engine, cache), ROWS, BOTH, stop)
    assert engine.open == []
    resumed = ScriptedEngine(_answer)
    _ask(resumed, cache)
    assert len(resumed.asked) == 15


def test_all_are_closed_when_closing_one_fails(cache: SegmentCache) -> None:
    """The failure is raised after the others have been closed."""
    for unlucky in "ab":
        engine = ScriptedEngine(_answer, cannot_close={unlucky})
        with pytest.raises(NotClosed) as caught:
            _ask(engine, cache, salt=unlucky)
        assert caught.value.args == (unlucky,)
        assert sorted(engine.loads) == ["a", "b"]
        assert engine.open == []


def test_host_is_the_engines(cache: SegmentCache) -> None:
    """A server on another host is what was measured."""
    engine = ScriptedEngine(lambda model, _: TOO_LONG if model == "a" else "", host="gpu-box")
    assert {sample.host for sample in _ask(engine, cache)} == {"gpu-box"}


def test_peak_memory(cache: SegmentCache) -> None:
    """The highest seen, also from answers that were given before."""
    first, second = _pair(ScriptedEngine(_answer), cache), _pair(ScriptedEngine(_answer), cache, "later")
    for pair in (first, second):
        ask_all(pair, ROWS, BOTH, lambda sample: None)
    assert [r.peak_memory_bytes for r in first] == [r.peak_memory_bytes for r in second] == [8, 16]


def test_cut_answers_are_told_apart(cache: SegmentCache) -> None:
    """An answer that ended at the limit says so, also when it is taken from memory."""
    cut = f"{CUT}<think-task>on and on"
    engine = ScriptedEngine(lambda _, prompt: cut if "row-1" in prompt else "<final>DENY</final>")
    samples = _ask(engine, cache)
    assert {(s.row_id, s.predicted) for s in samples if s.cut} == {("row-1", "INVALID")}
    assert _ask(ScriptedEngine(_answer), cache) == samples


def test_a_new_reading_asks_anew(cache: SegmentCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read from an answer is kept, the answer is not: to read it otherwise it must be given again."""
    _ask(ScriptedEngine(_answer), cache)
    monkeypatch.setattr(answer_key, "READING_VERSION", answer_key.READING_VERSION + 1)
    engine = ScriptedEngine(_answer)
    _ask(engine, cache)
    assert len(engine.asked) == 16


def test_as_side(cache: SegmentCache) -> None:
    """The same sample under the other side's name."""
    sample = _ask(ScriptedEngine(_answer), cache)[0]
    other = as_side(sample, "b")
    assert (sample.model, other.model) == ("a", "b")
    assert as_side(other, "a") == sample


def test_the_reading_is_stored(cache: SegmentCache) -> None:
    """The text inside <final> is cut at 200 characters; what a lenient reading finds stands beside the class."""
    answers = {"a": f"<final>{'x' * 500}</final>", "b": "<final>DENIED</final>"}
    samples = _ask(ScriptedEngine(lambda model, _: answers[model]), cache)
    found = {(s.model, s.predicted, s.final, s.lenient) for s in samples}
    assert found == {("a", "INVALID", "x" * 200, "INVALID"), ("b", "INVALID", "DENIED", "DENY")}


def _thoughtful(model: str, _: str) -> str:
    return "<think>is it?</think>Mail a@example.com: <final>DENY</final>" if model == "a" else "no idea"


def test_what_was_written_is_kept(cache: SegmentCache) -> None:
    """The text outside thinking, redacted; of thinking its length and digest."""
    samples = {s.model: s for s in _ask(ScriptedEngine(_thoughtful), cache)}
    assert (samples["a"].text, samples["b"].text) == (
        "Mail [redacted: e-mail address]: <final>DENY</final>",
        "no idea",
    )
    assert (samples["a"].thinking_chars, samples["b"].thinking_chars) == (len("<think>is it?</think>"), 0)
    assert (len(samples["a"].thinking_sha256), samples["b"].thinking_sha256) == (64, "")


def test_text_can_be_turned_off_and_on(cache: SegmentCache) -> None:
    """Off: no text is stored or told, and nothing is asked again. On: rows without their text are asked again."""

    def ask(keep: bool) -> tuple[set[str], int]:
        engine = ScriptedEngine(lambda model, _: "no idea")
        pair = _pair(engine, cache)
        for respondent in pair:
            respondent.settings = SETTINGS.model_copy(update={"keep_answers": keep})
        samples = ask_all(pair, ROWS, ["generate"], lambda sample: None)
        return {sample.text for sample in samples}, len(engine.asked)

    assert ask(False) == ({""}, 2 * len(ROWS))
    assert ask(False) == ({""}, 0)
    assert ask(True) == ({"no idea"}, 2 * len(ROWS))
    assert ask(False) == ({""}, 0)
    assert ask(True) == ({"no idea"}, 0)


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
