"""Asking models row by row: in turns, loaded once, and nothing left open."""

from __future__ import annotations

import pytest
from tests.unit.evaluator.asked import BOTH, ROWS, answer, ask, make_pair
from tests.unit.evaluator.material import Killed, NotClosed, ScriptedEngine, make_row

from so8t_evaluator.asking import CHUNK_ROWS, ask_all
from so8t_shared.artifacts.segment_cache import SegmentCache
from so8t_shared.results.answers import Sample


def test_samples(cache: SegmentCache) -> None:
    """Each answer is read, measured and told to the caller as it comes."""
    engine, told = ScriptedEngine(answer), list[Sample]()
    samples = ask_all(make_pair(engine, cache), ROWS, BOTH, told.append)
    assert sorted(told, key=str) == sorted(samples, key=str)
    assert len(samples) == 2 * len(ROWS) * 2
    first = samples[0]
    assert (first.model, first.quantization, first.row_id, first.gold) == ("a", "q8_0", "row-0", "DENY")
    assert (first.predicted, first.final, first.latency_ms, first.reused) == ("DENY", "DENY", 1.0, False)
    assert {s.predicted for s in samples if s.model == "b"} == {"INVALID"}


def test_generate_is_asked_first(cache: SegmentCache) -> None:
    """It computes the prompt that the others go on from, whatever the order; samples keep the tables' order."""
    engine = ScriptedEngine(answer)
    samples = ask(engine, cache)
    assert [bool(options.grammar) for *_, options in engine.asked] == [False, True] * (2 * len(ROWS))
    assert [s.scoring for s in samples] == ["generate", "constrained"] * (2 * len(ROWS))


def test_they_take_turns(cache: SegmentCache) -> None:
    """By chunks of rows, each model goes first every other time; rows keep their order."""
    rows = [make_row(f"row-{i}", "DENY") for i in range(2 * CHUNK_ROWS + 1)]
    engine = ScriptedEngine(answer)
    samples = ask_all(make_pair(engine, cache), rows, ["generate"], lambda sample: None)
    turns = [model for model, *_ in engine.asked]
    assert turns == [*"a" * CHUNK_ROWS, *"b" * CHUNK_ROWS, *"b" * CHUNK_ROWS, *"a" * CHUNK_ROWS, "a", "b"]
    assert [s.row_id for s in samples if s.model == "b"] == [row.id for row in rows]


def test_grammar_only_when_constrained(cache: SegmentCache) -> None:
    """The engine gets the options of each way of asking."""
    engine, told = ScriptedEngine(answer), list[Sample]()
    ask_all(make_pair(engine, cache), ROWS, BOTH, told.append)
    assert [bool(options.grammar) for *_, options in engine.asked] == [s.scoring == "constrained" for s in told]


def test_each_model_is_loaded_once(cache: SegmentCache) -> None:
    """Loaded with the first question, unloaded at the end."""
    engine = ScriptedEngine(answer)
    ask(engine, cache)
    assert (sorted(engine.loads), engine.open) == (["a", "b"], [])


@pytest.mark.parametrize("dies_after", [0, 1, 2, 7])
def test_models_are_closed_when_the_engine_dies(cache: SegmentCache, dies_after: int) -> None:
    """Whatever was loaded is unloaded."""
    engine = ScriptedEngine(answer, dies_after=dies_after)
    with pytest.raises(Killed):
        ask(engine, cache)
    assert engine.loads
    assert engine.open == []


def test_models_are_closed_when_the_caller_stops(cache: SegmentCache) -> None:
    """An exception from the report of progress ends the asking; the answer just given is kept."""

    def stop(_: Sample) -> None:
        raise KeyboardInterrupt

    engine = ScriptedEngine(answer)
    with pytest.raises(KeyboardInterrupt):
        ask_all(make_pair(engine, cache), ROWS, BOTH, stop)
    assert engine.open == []
    resumed = ScriptedEngine(answer)
    ask(resumed, cache)
    assert len(resumed.asked) == 15


def test_all_are_closed_when_closing_one_fails(cache: SegmentCache) -> None:
    """The failure is raised after the others have been closed."""
    for unlucky in "ab":
        engine = ScriptedEngine(answer, cannot_close={unlucky})
        with pytest.raises(NotClosed) as caught:
            ask(engine, cache, salt=unlucky)
        assert caught.value.args == (unlucky,)
        assert sorted(engine.loads) == ["a", "b"]
        assert engine.open == []
