"""Answers that are already there: nothing is asked twice, and nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.evaluator.asked import ROWS, SETTINGS, answer, ask, make_pair
from tests.unit.evaluator.material import Killed, ScriptedEngine

from so8t_evaluator import answer_key
from so8t_evaluator.asking import ask_all
from so8t_shared.artifacts.segment_cache import SegmentCache
from so8t_shared.results.answers import Sample
from so8t_shared.store.local import LocalStore


def _but_reused(samples: list[Sample]) -> list[dict[str, Any]]:
    return [sample.model_dump(exclude={"reused"}) for sample in samples]


def test_nothing_is_asked_twice(cache: SegmentCache) -> None:
    """The same again loads nothing, asks nothing, and gives the same samples."""
    first = ask(ScriptedEngine(answer), cache)
    engine = ScriptedEngine(answer)
    assert ask(engine, cache) == first
    assert (engine.asked, engine.loads) == ([], [])


@pytest.mark.parametrize("killed_at", range(0, 16, 3))
def test_resume_asks_only_the_rest(cache: SegmentCache, tmp_path: Path, killed_at: int) -> None:
    """After a death at any question only the rest is asked, and the answers equal an undisturbed run's."""
    whole_engine = ScriptedEngine(answer)
    whole = ask(whole_engine, SegmentCache(LocalStore(tmp_path / "other"), "answers", "run"))
    dying = ScriptedEngine(answer, dies_after=killed_at)
    with pytest.raises(Killed):
        ask(dying, cache)
    engine = ScriptedEngine(answer)
    resumed = ask(engine, cache)
    assert dying.asked + engine.asked == whole_engine.asked
    for again, expected in zip(resumed, whole, strict=True):
        assert again.model_copy(update={"latency_ms": 0}) == expected.model_copy(update={"latency_ms": 0})


def test_own_answers_are_not_reused_ones(cache: SegmentCache) -> None:
    """Answers of an interrupted attempt of the same evaluation do not count as taken from an earlier one."""
    with pytest.raises(Killed):
        ask(ScriptedEngine(answer, dies_after=5), cache)
    assert not any(sample.reused for sample in ask(ScriptedEngine(answer), cache))


def test_answers_of_another_run_are_reused(cache: SegmentCache) -> None:
    """They are the same answers and say that they come from an earlier measurement."""
    first = ask(ScriptedEngine(answer), cache, "yesterday")
    second = ask(ScriptedEngine(answer), cache, "today")
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
    ask(ScriptedEngine(answer), cache)
    engine = ScriptedEngine(answer, **change)
    ask(engine, cache)
    assert len(engine.asked) == 16


def test_timing_settings_do_not_matter(cache: SegmentCache) -> None:
    """Threads change no answer."""
    ask(ScriptedEngine(answer), cache)
    engine = ScriptedEngine(answer, speed_settings={"threads": 8})
    ask(engine, cache)
    assert engine.asked == []


def test_salt_asks_anew(cache: SegmentCache) -> None:
    """The control takes nothing from the first asking, but resumes from its own."""
    ask(ScriptedEngine(answer), cache)
    engine = ScriptedEngine(answer)
    ask(engine, cache, salt="control")
    ask(engine, cache, salt="control")
    assert len(engine.asked) == 16


def test_a_new_reading_asks_anew(cache: SegmentCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read from an answer is kept, the answer is not: to read it otherwise it must be given again."""
    ask(ScriptedEngine(answer), cache)
    monkeypatch.setattr(answer_key, "READING_VERSION", answer_key.READING_VERSION + 1)
    engine = ScriptedEngine(answer)
    ask(engine, cache)
    assert len(engine.asked) == 16


def test_text_can_be_turned_off_and_on(cache: SegmentCache) -> None:
    """Off: no text is stored or told, and nothing is asked again. On: rows without their text are asked again."""

    def asked(keep: bool) -> tuple[set[str], int]:
        engine = ScriptedEngine(lambda model, _: "no idea")
        pair = make_pair(engine, cache)
        for respondent in pair:
            respondent.settings = SETTINGS.model_copy(update={"keep_answers": keep})
        samples = ask_all(pair, ROWS, ["generate"], lambda sample: None)
        return {sample.text for sample in samples}, len(engine.asked)

    assert asked(False) == ({""}, 2 * len(ROWS))
    assert asked(False) == ({""}, 0)
    assert asked(True) == ({"no idea"}, 2 * len(ROWS))
    assert asked(False) == ({""}, 0)
    assert asked(True) == ({"no idea"}, 0)
