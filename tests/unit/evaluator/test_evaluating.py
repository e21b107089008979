"""The whole evaluation: everything is asked once, compared and written."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.evaluator.material import Answer, ScriptedEngine, make_chat, make_gguf, make_row

from so8t_evaluator.asking import Candidate
from so8t_evaluator.engine.choice import open_engine
from so8t_evaluator.engine.protocol import ModelFile
from so8t_evaluator.evaluating import Grid, Inputs, run_evaluation
from so8t_evaluator.importing import write_registry
from so8t_evaluator.rows import read_rows, select
from so8t_shared.artifacts.records import RecordCache
from so8t_shared.config.model import Config
from so8t_shared.config.values import Quantization
from so8t_shared.errors import InputError
from so8t_shared.labels import LABELS
from so8t_shared.results.answers import Sample
from so8t_shared.results.evaluation import AnswerLimit, EvaluationResult
from so8t_shared.results.record import Side
from so8t_shared.results.training import Targets
from so8t_shared.store.local import LocalStore

QUANTIZATIONS: tuple[Quantization, ...] = ("q8_0", "q4_k_m")
SIDES: tuple[Side, Side] = ("a", "b")
WORDS = dict(zip(LABELS, ("show", "approve", "copy", "destroy"), strict=True))
ROWS_PER_CLASS = 3
ASKED = len(LABELS) * ROWS_PER_CLASS * (2 * 2 * 2 + 1)
"""Rows times two models, two quantisations, two scorings; and the control."""


def _answer(model: str, prompt: str) -> str:
    """B knows every class, A answers ALLOW to everything."""
    known = next(label for label, word in WORDS.items() if f"{word} it" in prompt)
    return f"<final>{known if model.startswith('model-b') else 'ALLOW'}</final>"


@pytest.fixture
def cache(tmp_path: Path) -> RecordCache:
    """Answers kept in a store, as in a run."""
    return RecordCache(LocalStore(tmp_path / "store"), "answers")


@pytest.fixture
def config() -> Config:
    """Two quantisations, both scorings, a control, three rows a class."""
    return Config.model_validate(
        {
            "model_a": {"base_model": "m"},
            "dataset": {"paths": ["d"]},
            "gguf": {"quantizations": list(QUANTIZATIONS)},
            "ollama": {"model_a_name": "model-a", "model_b_name": "model-b"},
            "ab_test": {
                "bootstrap_resamples": 100,
                "max_samples": len(LABELS) * ROWS_PER_CLASS,
                "max_new_tokens": 48,
                "threads": 1,  # by default the cores that are free at that moment, which the result names
            },
        }
    )


@pytest.fixture
def inputs(config: Config, tmp_path: Path) -> Inputs:
    """What the stages before leave behind; the GGUF files hold nothing, since no engine opens them."""
    converted: dict[Side, Path] = {side: tmp_path / side for side in SIDES}
    for side, folder in converted.items():
        folder.mkdir()
        (folder / "chat.json").write_text(make_chat().model_dump_json(), encoding="utf-8")
        for quantization in QUANTIZATIONS:
            make_gguf(folder / f"model_{side}_{quantization}.gguf", f"{side} {quantization}")
    splits, output = tmp_path / "splits", tmp_path / "import"
    splits.mkdir()
    output.mkdir()
    rows = [
        make_row(f"{word} it {i}", label, language="ja" if i == 1 else "en")
        for label, word in WORDS.items()
        for i in range(10)
    ]
    for name, part in (("train", rows[::2]), ("test", rows[1::2])):
        (splits / f"{name}.jsonl").write_text("".join(r.model_dump_json() + "\n" for r in part), encoding="utf-8")
    return Inputs(write_registry(config, converted, output), converted, splits)


def _grid(config: Config, inputs: Inputs, cache: RecordCache, report: Any = lambda done, total, text: None) -> Grid:
    """The grid of `run_evaluation`, asked with a scripted engine that goes by the configured one's name."""
    real = open_engine(config)
    engine = ScriptedEngine(
        _answer, name=real.name, version=real.version, host=real.host, answer_settings=real.answer_settings
    )
    candidates = {
        (m.model, m.quantization): Candidate(
            m.model,
            m.quantization,
            ModelFile(m.name, inputs.converted[m.model] / m.file, m.sha256, 4096),
            make_chat(),
        )
        for m in inputs.registry.models
    }
    rows = select(read_rows(inputs.splits / "test.jsonl"), config.ab_test.max_samples)
    return Grid(candidates, rows, engine, config.ab_test, cache, "first", report, ASKED)


def _ask_everything(grid: Grid, run: str = "first") -> list[Sample]:
    """The pairs are asked under the grid's own name, the control under `run`, since no other run may use it."""
    samples = [sample for quantization in QUANTIZATIONS for sample in grid.ask_pair(quantization)[0]]
    grid.run = run
    return samples + grid.ask_control("q4_k_m")


def test_grid_counts(config: Config, inputs: Inputs, cache: RecordCache) -> None:
    """Progress goes from 1 to the total, each with what was just asked."""
    seen: list[tuple[int, int, str]] = []
    grid = _grid(config, inputs, cache, lambda *progress: seen.append(progress))
    _ask_everything(grid)
    assert [done for done, *_ in seen] == list(range(1, ASKED + 1))
    assert seen[0][1:] == (ASKED, "q8_0 a generate")


def test_speed_is_that_of_generate(config: Config, inputs: Inputs, cache: RecordCache) -> None:
    """One line a model, over the rows of `generate` alone, with the size of its file."""
    samples, speed = _grid(config, inputs, cache).ask_pair("q8_0")
    size = (inputs.converted["a"] / "model_a_q8_0.gguf").stat().st_size
    assert [(s.model, s.n, s.file_size_bytes) for s in speed] == [("a", 12, size), ("b", 12, size)]
    timed = sorted(s.latency_ms for s in samples if (s.model, s.scoring) == ("b", "generate"))
    assert speed[1].latency_ms_p50 == (timed[5] + timed[6]) / 2


def test_too_little_memory_for_both(config: Config, inputs: Inputs, cache: RecordCache, tmp_path: Path) -> None:
    """Where the second model finds no room, they are asked one after the other: same answers, nothing twice."""
    seen: list[tuple[int, int, str]] = []
    grid = _grid(config, inputs, cache, lambda *progress: seen.append(progress))
    small = _grid(config, inputs, RecordCache(LocalStore(tmp_path / "small"), "answers"))
    assert isinstance(grid.engine, ScriptedEngine)
    assert isinstance(small.engine, ScriptedEngine)
    small.engine.room_for = 1
    one_by_one, speeds = small.ask_pair("q8_0")
    side_by_side, _ = grid.ask_pair("q8_0")
    assert (grid.one_at_a_time, small.one_at_a_time) == (False, True)
    assert [s.interleaved for s in speeds] == [False, False]
    assert sorted(small.engine.asked, key=str) == sorted(grid.engine.asked, key=str)
    assert small.engine.open == []
    assert small.done == grid.done
    answers = [{(s.model, s.row_id, s.scoring): s.predicted for s in found} for found in (one_by_one, side_by_side)]
    assert answers[0] == answers[1]


def test_timings_of_another_run_are_not_side_by_side(config: Config, inputs: Inputs, cache: RecordCache) -> None:
    """A's timings from an earlier run beside B's of this one: reused on one side, and interleaved on neither."""
    _, together = _grid(config, inputs, cache).ask_pair("q8_0")
    assert [s.interleaved for s in together] == [True, True]
    grid = _grid(config, inputs, cache)
    for key, candidate in grid.candidates.items():
        if candidate.side == "b":
            grid.candidates[key] = replace(candidate, file=replace(candidate.file, sha256="f" * 64))
    grid.run = "second"
    _, apart = grid.ask_pair("q8_0")
    assert [(s.model, s.reused, s.interleaved) for s in apart] == [("a", 12, False), ("b", 0, False)]
    _, resumed = grid.ask_pair("q8_0")
    assert resumed == apart


def test_control_is_asked_anew_in_reverse(config: Config, inputs: Inputs, cache: RecordCache) -> None:
    """A again, the last row first, nothing taken from memory; given back in the order of the rows."""
    grid = _grid(config, inputs, cache)
    assert isinstance(grid.engine, ScriptedEngine)
    grid.ask_pair("q4_k_m")
    before = len(grid.engine.asked)
    control = grid.ask_control("q4_k_m")
    assert [s.row_id for s in control] == [row.id for row in grid.rows]
    prompts = [prompt for _, prompt, _ in grid.engine.asked[before:]]
    assert [row.text in prompt for row, prompt in zip(grid.rows[::-1], prompts, strict=True)] == [True] * 12


def test_control_is_of_this_run(config: Config, inputs: Inputs, cache: RecordCache) -> None:
    """It resumes within a run and is asked again in the next one, whose machine it must vouch for."""
    for run, asked in (("first", 12), ("first", 0), ("second", 12)):
        grid = _grid(config, inputs, cache)
        assert isinstance(grid.engine, ScriptedEngine)
        grid.run = run
        grid.ask_control("q4_k_m")
        assert len(grid.engine.asked) == asked


def test_control_on_another_host(config: Config, inputs: Inputs, cache: RecordCache) -> None:
    """Where the evaluation moves to a host that decides near ties otherwise, A's answers there are asked there."""
    near_tie: dict[str, Answer] = {"workstation": lambda *_: "<final>ALLOW", "gpu-box": lambda *_: "<final>DENY"}
    for host, answer in near_tie.items():
        grid = _grid(config, inputs, cache)
        grid.engine = ScriptedEngine(answer, host=host)
        samples, speeds = grid.ask_pair("q4_k_m")
        first = [s.answer_sha256 for s in samples if (s.model, s.scoring) == ("a", "generate")]
        assert [s.answer_sha256 for s in grid.ask_control("q4_k_m")] == first
        assert {(s.host, s.reused, s.interleaved) for s in speeds} == {(host, 0, True)}


def test_a_model_against_itself_is_asked_as_both(config: Config, inputs: Inputs, cache: RecordCache) -> None:
    """Where B's file is A's, byte for byte, B's answers and timings are still its own, and resume as such."""
    grid = _grid(config, inputs, cache)
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


def test_run_evaluation(config: Config, inputs: Inputs, cache: RecordCache, tmp_path: Path) -> None:
    """From answers that are all known (no engine is loaded) to the result, its verdicts and its files."""
    asked = _ask_everything(_grid(config, inputs, cache), run="second")
    output, reports = tmp_path / "output", list[int]()
    output.mkdir()
    result = run_evaluation(
        config, inputs, cache, lambda done, total, text: reports.append(total), output, run="second"
    )
    assert reports == [ASKED] * ASKED
    assert result.answer_limit == AnswerLimit(max_new_tokens=48, longest_target_tokens=None)
    assert result.test_set.by_label == dict.fromkeys(LABELS, ROWS_PER_CLASS)
    assert {(c.model, c.quantization, c.scoring): c.accuracy.value for c in result.cells} == {
        (side, quantization, scoring): share
        for side, share in zip(SIDES, (0.25, 1.0), strict=True)
        for quantization in QUANTIZATIONS
        for scoring in ("generate", "constrained")
    }
    assert [c.verdict for c in result.comparisons] == ["b_better"] * 4
    assert [c.mcnemar_p_holm for c in result.comparisons] == pytest.approx([4 * 2 / 2**9] * 4)
    assert (result.headline.quantization, result.headline.scoring) == ("q4_k_m", "generate")
    assert result.control is not None
    assert result.control.verdict == "same_classes"
    assert result.baseline is not None
    assert result.baseline.accuracy.value == 1.0
    assert result.baseline_comparison is not None
    assert (result.baseline_comparison.reference_right, result.baseline_comparison.other_right) == (12, 12)
    assert [reason.split(" (")[0] for reason in result.gate.reasons] == [
        "recall of DENY and REFUSE at q4_k_m, q8_0 cannot be shown to be less than 5 points below A's with 3 rows"
    ]
    assert [s.reused for s in result.speed] == [12] * 4
    assert [(s.by, s.value, s.n, s.gained, s.lost) for s in result.slices] == [
        ("language", "en", 9, 6, 0),
        ("language", "ja", 3, 3, 0),
    ]
    losses = [(x.model, x.scoring, x.reference, x.quantization, x.difference) for x in result.quantization_losses]
    assert losses == [(side, s, "q8_0", "q4_k_m", 0.0) for side in SIDES for s in ("generate", "constrained")]
    lines = (output / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    written = [Sample.model_validate_json(line) for line in lines]
    assert [s.model_copy(update={"reused": False}) for s in written] == asked[:-12]
    assert EvaluationResult.model_validate_json((output / "evaluation.json").read_text(encoding="utf-8")) == result


def test_answers_may_be_as_long_as_those_trained_on(
    config: Config, inputs: Inputs, cache: RecordCache, tmp_path: Path
) -> None:
    """Where no limit is configured, the longest target of training decides; the result tells both numbers."""
    open_limit = config.model_copy(update={"ab_test": config.ab_test.model_copy(update={"max_new_tokens": None})})
    decided = config.model_copy(update={"ab_test": config.ab_test.model_copy(update={"max_new_tokens": 125})})
    (inputs.splits / "targets.json").write_text(Targets(longest_tokens=100).model_dump_json(), encoding="utf-8")
    _ask_everything(_grid(decided, inputs, cache))
    result = run_evaluation(open_limit, inputs, cache, lambda done, total, text: None, tmp_path, run="first")
    assert result.answer_limit == AnswerLimit(max_new_tokens=125, longest_target_tokens=100)


def test_same_answers_same_bytes(config: Config, inputs: Inputs, cache: RecordCache, tmp_path: Path) -> None:
    """Evaluating the same answers again writes the same files, to the byte."""
    _ask_everything(_grid(config, inputs, cache), run="second")
    digests = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        run_evaluation(config, inputs, cache, lambda done, total, text: None, tmp_path / name, run="second")
        files = [(tmp_path / name / file).read_bytes() for file in ("samples.jsonl", "evaluation.json")]
        digests.append(hashlib.sha256(b"".join(files)).hexdigest())
    assert digests[0] == digests[1]


def test_no_test_row(config: Config, inputs: Inputs, cache: RecordCache, tmp_path: Path) -> None:
    """An empty test split is refused with a remedy, before anything is loaded."""
    (inputs.splits / "test.jsonl").write_text("")
    with pytest.raises(InputError) as caught:
        run_evaluation(config, inputs, cache, lambda done, total, text: None, tmp_path, run="x")
    assert "test_fraction" in str(caught.value.remedy)
