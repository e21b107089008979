"""A whole evaluation that may end early: every quantization and the control are asked the same rows."""

from __future__ import annotations

from pathlib import Path

from tests.unit.evaluator.material import ScriptedEngine
from tests.unit.evaluator.small_evaluation import QUANTIZATIONS, make_grid

from so8t_evaluator.asking_until import Until, in_random_order
from so8t_evaluator.conclude import conclude_from_files
from so8t_evaluator.evaluating import Inputs, ask_models
from so8t_evaluator.until_decided import decider
from so8t_shared.artifacts.shelves import Shelves
from so8t_shared.config.gate import Clause
from so8t_shared.config.model import Config
from so8t_shared.results.answers import Sample
from so8t_shared.results.asking import Asking

ROWS, ASKED = 20, 16
ANSWERS = ASKED * (2 * 2 * len(QUANTIZATIONS) + 1)


def _may_end(config: Config) -> Config:
    gate = [Clause(name="better", metric="accuracy", better=True)]
    update = {"until_decided": True, "gate": gate, "max_samples": None, "speed_samples": 4}
    return config.model_copy(update={"ab_test": config.ab_test.model_copy(update=update)})


def test_ends_early_and_says_so(config: Config, inputs: Inputs, shelves: Shelves, tmp_path: Path) -> None:
    """A second run with all answers known asks nothing, writes the same, and progress ends at the smaller total."""
    config, output = _may_end(config), tmp_path / "output"
    grid = make_grid(config, inputs, shelves)
    assert isinstance(grid.engine, ScriptedEngine)
    groups = in_random_order(grid.rows, config.ab_test.seed)
    grid.until = Until(groups, decider(config, groups, inputs.splits), config.ab_test.speed_samples)
    asked = grid.ask(QUANTIZATIONS, "q4_k_m")
    assert len(grid.engine.asked) == ANSWERS
    assert grid.engine.asked[0][0] == "model-a:q4_k_m"
    output.mkdir()
    seen: list[tuple[int, int, str]] = []
    asking = ask_models(config, inputs, shelves, lambda *told: seen.append(told), output, fingerprint="first")
    assert asking == Asking.read(output / "asking.json")
    assert asking.stopped is not None
    assert (asking.stopped.rows, asking.stopped.available, asking.stopped.decided) == (ASKED, ROWS, True)
    assert (seen[0][1], seen[-1][:2]) == (ROWS * (2 * 2 * len(QUANTIZATIONS) + 1), (ANSWERS, ANSWERS))
    assert any(asking.stopped.ending in message for *_, message in seen)
    written = Sample.read_lines(output / "samples.jsonl")
    assert written == list(asked.samples)
    order = [row.id for row in grid.until.rows[:ASKED]]
    for quantization in QUANTIZATIONS:
        of_b = [s.row_id for s in written if (s.model, s.quantization, s.scoring) == ("b", quantization, "logprob")]
        assert of_b == order
    assert [s.row_id for s in Sample.read_lines(output / "control.jsonl")] == order
    result = conclude_from_files(output, inputs.splits, config.ab_test)
    assert result.until_decided is not None
    assert result.until_decided.e_better > 200 > 1 > result.until_decided.e_worse
    assert (result.headline.n, result.plan.rows, result.gate.result) == (ASKED, ROWS, "pass")
