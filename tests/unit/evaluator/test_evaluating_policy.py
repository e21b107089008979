"""An evaluation whose thresholds are fitted: the validation rows are asked as well, and nothing else changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.messages import Said
from tests.unit.evaluator.material import ScriptedEngine, make_row
from tests.unit.evaluator.small_evaluation import ASKED, QUANTIZATIONS, WORDS, ask_everything, make_grid

from so8t_evaluator.asking_until import Until, in_random_order
from so8t_evaluator.conclude import conclude_from_files
from so8t_evaluator.evaluating import Inputs, ask_models
from so8t_evaluator.grid import Grid
from so8t_evaluator.until_decided import decider
from so8t_shared.artifacts.shelves import Shelves
from so8t_shared.config.gate import Clause
from so8t_shared.config.model import Config
from so8t_shared.config.policy import PolicyTargets
from so8t_shared.errors import InputError
from so8t_shared.json_files import write_lines
from so8t_shared.results.answers import Sample
from so8t_shared.results.asking import Asking
from so8t_shared.results.sides import SIDES
from so8t_shared.results.training import LabeledRow

VALIDATION = 8
ON_VALIDATION = VALIDATION * len(SIDES) * len(QUANTIZATIONS)
FILES = ("samples.jsonl", "control.jsonl", "asking.json")


def with_policy(config: Config, **others: Any) -> Config:
    """The same configuration with targets for the thresholds."""
    update = {"policy": PolicyTargets(false_allow=0.02, escalate=0.5), **others}
    return config.model_copy(update={"ab_test": config.ab_test.model_copy(update=update)})


def write_validation(inputs: Inputs) -> list[LabeledRow]:
    """The validation part of the split."""
    rows = [make_row(f"{word} it for {i}", label) for label, word in WORDS.items() for i in range(VALIDATION // 4)]
    write_lines(inputs.splits / "validation.jsonl", rows)
    return rows


def ask(config: Config, inputs: Inputs, shelves: Shelves, output: Path) -> list[tuple[int, int, str]]:
    """Ask with all answers known; return the progress."""
    output.mkdir()
    told: list[tuple[int, int, str]] = []
    tested: list[Sample] = []
    ask_models(
        config,
        inputs,
        shelves,
        lambda *said: told.append(said),
        output,
        fingerprint="second",
        on_answer=lambda sample, rows: tested.append(sample),
    )
    assert {sample.row_id for sample in tested} == {s.row_id for s in Sample.read_lines(output / "samples.jsonl")}
    return told


def _validated(grid: Grid, rows: list[LabeledRow]) -> list[Sample]:
    grid.validation = rows
    return [sample for quantization in QUANTIZATIONS for sample in grid.ask_validation(quantization)]


def test_off_asks_and_writes_nothing_more(config: Config, inputs: Inputs, shelves: Shelves, tmp_path: Path) -> None:
    """Without targets no validation row is asked, and the answers are those of an evaluation with them, less theirs."""
    rows, grid = write_validation(inputs), make_grid(config, inputs, shelves)
    ask_everything(grid)
    told = ask(config, inputs, shelves, tmp_path / "off")
    assert isinstance(grid.engine, ScriptedEngine)
    assert (told[-1][:2], len(grid.engine.asked)) == ((ASKED, ASKED), ASKED)
    assert {path.name for path in (tmp_path / "off").iterdir()} == set(FILES)
    _validated(make_grid(config, inputs, shelves), rows)
    ask(with_policy(config), inputs, shelves, tmp_path / "on")
    assert {path.name for path in (tmp_path / "on").iterdir()} == {*FILES, "validation.jsonl"}
    for name in FILES[:2]:
        assert Sample.read_lines(tmp_path / "on" / name) == Sample.read_lines(tmp_path / "off" / name)
    off, on = (Asking.read(tmp_path / name / "asking.json") for name in ("off", "on"))
    assert on.files is not None
    assert on.model_copy(update={"files": None}) == off
    for name in ("files", "policy"):
        assert f'"{name}"' not in (tmp_path / "off" / "asking.json").read_text()
    concluded = conclude_from_files(tmp_path / "off", inputs.splits, config.ab_test)
    assert '"policy"' not in concluded.model_dump_json()


def test_validation_rows_are_asked_once(config: Config, inputs: Inputs, shelves: Shelves, tmp_path: Path) -> None:
    """By logprob alone, after all others; an interrupted asking repeats no answer, and progress counts them."""
    rows, config = write_validation(inputs), with_policy(config)
    grid = make_grid(config, inputs, shelves)
    ask_everything(grid)
    answers = _validated(grid, rows)
    assert isinstance(grid.engine, ScriptedEngine)
    asked = grid.engine.asked[ASKED:]
    assert len(asked) == ON_VALIDATION
    assert all(options.score and not options.grammar for *_, options in asked)
    told = ask(config, inputs, shelves, tmp_path / "asked")
    assert told[-1][:2] == (ASKED + ON_VALIDATION,) * 2
    assert len(told) == ASKED + ON_VALIDATION
    written = Sample.read_lines(tmp_path / "asked" / "validation.jsonl")
    assert [s.model_copy(update={"reused": False}) for s in written] == answers
    assert [(s.model, s.quantization, s.scoring, s.row_id) for s in written] == [
        (side, quantization, "logprob", row.id) for quantization in QUANTIZATIONS for side in SIDES for row in rows
    ]


def test_the_files_are_those_that_were_asked(config: Config, inputs: Inputs, shelves: Shelves, tmp_path: Path) -> None:
    """Each policy is for the bytes of the file whose answers it was fitted to."""
    rows, config = write_validation(inputs), with_policy(config)
    grid = make_grid(config, inputs, shelves)
    ask_everything(grid)
    _validated(grid, rows)
    ask(config, inputs, shelves, tmp_path / "asked")
    result = conclude_from_files(tmp_path / "asked", inputs.splits, config.ab_test)
    assert result.policy is not None
    digests = {(m.model, m.quantization): m.sha256 for m in inputs.registry.models}
    assert {(f.model, f.quantization): f.model_sha256 for f in result.policy.fitted} == digests
    assert [each.model_sha256 for each in result.policy.served().quantizations] == [
        digests["b", quantization] for quantization in QUANTIZATIONS
    ]
    assert result.policy.validation_rows == VALIDATION


def test_together_with_an_early_end(config: Config, inputs: Inputs, shelves: Shelves, tmp_path: Path) -> None:
    """All validation rows are asked wherever the test ends, and the total that is left still counts them."""
    gate = [Clause(name="better", metric="accuracy", better=True)]
    early = {"until_decided": True, "gate": gate, "max_samples": None, "speed_samples": 4}
    config, rows = with_policy(config, **early), write_validation(inputs)
    grid = make_grid(config, inputs, shelves)
    groups = in_random_order(grid.rows, config.ab_test.seed)
    grid.until = Until(groups, decider(config, groups, inputs.splits), config.ab_test.speed_samples)
    grid.validation = rows
    asked = grid.ask(QUANTIZATIONS, "q4_k_m")
    told = ask(config, inputs, shelves, tmp_path / "asked")
    assert told[-1][0] == told[-1][1] == len(asked.samples) + len(asked.again) + ON_VALIDATION
    result = conclude_from_files(tmp_path / "asked", inputs.splits, config.ab_test)
    assert result.policy is not None
    assert result.until_decided is not None
    assert result.until_decided.decided
    assert result.policy.of("b", "q4_k_m").test.escalate.rows == result.headline.n


def test_no_validation_row(config: Config, inputs: Inputs, shelves: Shelves, tmp_path: Path, said: Said) -> None:
    """Without a row to fit to, nothing is asked, and the exit code is 2."""
    write_lines(inputs.splits / "validation.jsonl", [])
    with said.raised(InputError) as raised:
        ask_models(with_policy(config), inputs, shelves, lambda *told: None, tmp_path, fingerprint="x")
    assert raised.value.exit_code == 2
    assert not (tmp_path / "samples.jsonl").exists()
