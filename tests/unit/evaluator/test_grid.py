"""The grid: who is asked what, how often, and what is measured on the way."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from tests.unit.evaluator.material import Answering, ScriptedEngine
from tests.unit.evaluator.small_evaluation import ASKED, QUANTIZATIONS, ask_everything, make_grid

from so8t_evaluator.evaluating import Inputs
from so8t_shared.artifacts.shelves import Shelves
from so8t_shared.config.model import Config
from so8t_shared.store.local import LocalStore


def test_grid_counts(config: Config, inputs: Inputs, shelves: Shelves) -> None:
    """Progress goes from 1 to the total, each with what was just asked."""
    seen: list[tuple[int, int, str]] = []
    grid = make_grid(config, inputs, shelves, lambda *progress: seen.append(progress))
    ask_everything(grid)
    assert [done for done, *_ in seen] == list(range(1, ASKED + 1))
    assert seen[0][1:] == (ASKED, "q8_0 a generate")


def test_speed_is_that_of_generate(config: Config, inputs: Inputs, shelves: Shelves) -> None:
    """One line a model, over the rows of `generate` alone, with the size of its file."""
    samples, speed = make_grid(config, inputs, shelves).ask_pair("q8_0")
    size = (inputs.converted["a"] / "model_a_q8_0.gguf").stat().st_size
    assert [(s.model, s.n, s.file_size_bytes) for s in speed] == [("a", 12, size), ("b", 12, size)]
    timed = sorted(s.latency_ms for s in samples if (s.model, s.scoring) == ("b", "generate"))
    assert speed[1].latency_ms_p50 == (timed[5] + timed[6]) / 2


def test_speed_is_that_of_some_rows(config: Config, inputs: Inputs, shelves: Shelves) -> None:
    """Of as many as are wanted, which are asked by themselves before the others."""
    few = config.model_copy(update={"ab_test": config.ab_test.model_copy(update={"speed_samples": 5})})
    grid = make_grid(few, inputs, shelves)
    assert isinstance(grid.engine, ScriptedEngine)
    samples, speed = grid.ask_pair("q8_0")
    assert [s.n for s in speed] == [5, 5]
    assert len(grid.engine.asked) == len(samples)
    timed = [s for s in samples if s.timed]
    assert {(s.scoring, s.row_id) for s in timed} == {("generate", row.id) for row in grid.rows[:5]}


def test_too_little_memory_for_both(config: Config, inputs: Inputs, shelves: Shelves, tmp_path: Path) -> None:
    """Where the second model finds no room, they are asked one after the other: same answers, nothing twice."""
    seen: list[tuple[int, int, str]] = []
    grid = make_grid(config, inputs, shelves, lambda *progress: seen.append(progress))
    small = make_grid(config, inputs, Shelves(LocalStore(tmp_path / "small"), "answers", "run"))
    assert isinstance(grid.engine, ScriptedEngine)
    assert isinstance(small.engine, ScriptedEngine)
    small.engine.room_for = 1
    one_by_one, speeds = small.ask_pair("q8_0")
    side_by_side, _ = grid.ask_pair("q8_0")
    assert (grid.one_at_a_time, small.one_at_a_time) == (False, True)
    assert [s.interleaved for s in speeds] == [False, False]
    assert sorted(small.engine.asked, key=str) == sorted(grid.engine.asked, key=str)
    assert small.engine.open == []
    assert small.count.done == grid.count.done
    answers = [{(s.model, s.row_id, s.scoring): s.predicted for s in found} for found in (one_by_one, side_by_side)]
    assert answers[0] == answers[1]


def test_timings_of_another_run_are_not_side_by_side(config: Config, inputs: Inputs, shelves: Shelves) -> None:
    """A's timings from an earlier run beside B's of this one: reused on one side, and interleaved on neither."""
    _, together = make_grid(config, inputs, shelves).ask_pair("q8_0")
    assert [s.interleaved for s in together] == [True, True]
    grid = make_grid(config, inputs, shelves)
    for key, candidate in grid.candidates.items():
        if candidate.side == "b":
            grid.candidates[key] = replace(candidate, file=replace(candidate.file, sha256="f" * 64))
    grid.fingerprint = "second"
    _, apart = grid.ask_pair("q8_0")
    assert [(s.model, s.reused, s.interleaved) for s in apart] == [("a", 12, False), ("b", 0, False)]
    _, resumed = grid.ask_pair("q8_0")
    assert resumed == apart


def test_control_is_asked_anew_in_reverse(config: Config, inputs: Inputs, shelves: Shelves) -> None:
    """A again, the last row first, nothing taken from memory; given back in the order of the rows."""
    grid = make_grid(config, inputs, shelves)
    assert isinstance(grid.engine, ScriptedEngine)
    grid.ask_pair("q4_k_m")
    before = len(grid.engine.asked)
    control = grid.ask_control("q4_k_m")
    assert [s.row_id for s in control] == [row.id for row in grid.rows]
    prompts = [prompt for _, prompt, _ in grid.engine.asked[before:]]
    assert [row.text in prompt for row, prompt in zip(grid.rows[::-1], prompts, strict=True)] == [True] * 12


def test_control_is_shared_by_runs(config: Config, inputs: Inputs, shelves: Shelves) -> None:
    """It resumes within a run, and the next one reuses it: as what A said when it was asked again."""
    said = iter(f"<final>DENY</final> {number}" for number in range(1000))
    shared = ScriptedEngine(lambda *_: next(said))
    for run, asked, reused in (("first", 48 + 12, 0), ("first", 0, 0), ("second", 0, 12)):
        grid = make_grid(config, inputs, shelves)
        grid.engine, grid.fingerprint = shared, run
        before = len(shared.asked)
        first = [s for s in grid.ask_pair("q4_k_m")[0] if (s.model, s.scoring) == ("a", "generate")]
        control = grid.ask_control("q4_k_m")
        assert len(shared.asked) - before == asked
        assert sum(s.reused for s in control) == reused
        assert not {s.answer_sha256 for s in control} & {s.answer_sha256 for s in first}


def test_control_on_another_host(config: Config, inputs: Inputs, shelves: Shelves) -> None:
    """Where the evaluation moves to a host that decides near ties otherwise, A's answers there are asked there."""
    near_tie: dict[str, Answering] = {"workstation": lambda *_: "<final>ALLOW", "gpu-box": lambda *_: "<final>DENY"}
    for host, answer in near_tie.items():
        grid = make_grid(config, inputs, shelves)
        grid.engine = ScriptedEngine(answer, host=host)
        samples, speeds = grid.ask_pair("q4_k_m")
        first = [s.answer_sha256 for s in samples if (s.model, s.scoring) == ("a", "generate")]
        assert [s.answer_sha256 for s in grid.ask_control("q4_k_m")] == first
        assert {(s.host, s.reused, s.interleaved) for s in speeds} == {(host, 0, True)}


def test_a_model_against_itself_is_asked_as_both(config: Config, inputs: Inputs, shelves: Shelves) -> None:
    """Where B's file is A's, byte for byte, B's answers and timings are still its own, and resume as such."""
    grid = make_grid(config, inputs, shelves)
    assert isinstance(grid.engine, ScriptedEngine)
    for quantization in QUANTIZATIONS:
        file = grid.candidates["a", quantization].file
        b = grid.candidates["b", quantization]
        grid.candidates["b", quantization] = replace(b, file=replace(file, name=b.file.name))
    samples, speeds = grid.ask_pair("q8_0")
    assert Counter(model.partition(":")[0] for model, *_ in grid.engine.asked) == {"model-a": 24, "model-b": 24}
    assert len({s.latency_ms for s in samples}) == len(samples)
    assert [(s.reused, s.interleaved) for s in speeds] == [(0, True)] * 2
    assert grid.ask_pair("q8_0")[0] == samples
    assert len(grid.engine.asked) == 48


def test_each_model_has_a_shelf(config: Config, inputs: Inputs, shelves: Shelves) -> None:
    """Answers lie by file and engine, so another run finds A's whatever else was asked; the control lies beside."""
    grid = make_grid(config, inputs, shelves)
    ask_everything(grid)
    shelves.close()
    store = shelves.store
    assert len(list(store.folders("cache/answers"))) == 4
    assert isinstance(grid.engine, ScriptedEngine)
    grid.engine.version += "-next"
    grid.ask_control("q4_k_m")
    assert len(list(store.folders("cache/answers"))) == 5
