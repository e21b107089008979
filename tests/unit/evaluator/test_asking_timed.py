"""Asking with measurements of speed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.evaluator.asked import BOTH, ROWS, answer, ask, make_pair
from tests.unit.evaluator.material import ScriptedEngine

from so8t_evaluator.asking import Respondent, ask_all
from so8t_evaluator.disturbance import ControlLoad
from so8t_shared.artifacts.segment_cache import SegmentCache
from so8t_shared.host import host_name
from so8t_shared.results.answers import Sample
from so8t_shared.store.local import LocalStore


def _ask_timed(engine: ScriptedEngine, cache: SegmentCache, run: str = "run") -> tuple[list[Sample], list[Respondent]]:
    pair = make_pair(engine, cache, run)
    return ask_all(pair, ROWS, BOTH, lambda sample: None, timed_rows=2), pair


def test_timed_rows_come_first(cache: SegmentCache, tmp_path: Path) -> None:
    """Alone, written, in turns; they count as answers, so that nothing is asked twice, and these are the same."""
    engine = ScriptedEngine(answer)
    samples, pair = _ask_timed(engine, cache)
    assert [(model, bool(options.grammar)) for model, _, options in engine.asked[:4]] == [(m, False) for m in "abba"]
    assert len(engine.asked) == len(samples)
    assert [[(s.row_id, s.scoring, s.timed) for s in r.timed] for r in pair] == [
        [("row-0", "generate", True), ("row-1", "generate", True)]
    ] * 2
    assert {s.row_id for s in samples if s.timed} == {"row-0", "row-1"}
    plain = ask(ScriptedEngine(answer), SegmentCache(LocalStore(tmp_path / "other"), "answers", "run"))
    measured = {"latency_ms", "timed", "disturbed"}
    assert [s.model_dump(exclude=measured) for s in samples] == [s.model_dump(exclude=measured) for s in plain]


def test_only_timed_answers_are_measurements(cache: SegmentCache) -> None:
    """A stored answer that was not timed is asked again to time it, one that was is not, also by another run."""
    ask(ScriptedEngine(answer), cache)
    for run, asked in (("run", 4), ("run", 0), ("later", 0)):
        engine = ScriptedEngine(answer)
        _, pair = _ask_timed(engine, cache, run)
        assert len(engine.asked) == asked
        assert {(s.timed, s.reused) for r in pair for s in r.timed} == {(True, run == "later")}


def test_other_work_is_noticed(cache: SegmentCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before or after an answer, on this machine; of another machine's load nothing is known."""
    slow = iter([False, False, True, False, False, False, True])
    monkeypatch.setattr(ControlLoad, "is_disturbed", lambda self: next(slow))
    _, pair = _ask_timed(ScriptedEngine(answer, host=host_name(), speed_settings={"threads": 1}), cache)
    assert [[s.disturbed for s in r.timed] for r in pair] == [[False, True], [True, False]]
    _, pair = _ask_timed(ScriptedEngine(answer, host="gpu-box"), cache)
    assert {s.disturbed for r in pair for s in r.timed} == {None}
