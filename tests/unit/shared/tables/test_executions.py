"""Where stages can run, and what each needs there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from tests.unit.shared.material import make_config

from so8t_shared.config.model import Config
from so8t_shared.distribution import missing_packages
from so8t_shared.stages import BY_NAME, STAGES
from so8t_shared.tables import executions, resources
from so8t_shared.tables.functions import named

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize("row", executions.ROWS, ids=lambda row: row.name)
def test_a_row_names_functions(row: executions.Row) -> None:
    """They are there, also where the packages that they import are not."""
    for target in filter(None, (row.open, row.share)):
        module, _, name = target.partition(":")
        tree = ast.parse((ROOT / "shared" / f"{module.replace('.', '/')}.py").read_text("utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        if not missing_packages(module) and not missing_packages(module.partition(".")[0]):
            assert callable(named(target))


def test_one_row_runs_here() -> None:
    """It is the default."""
    assert [row.name for row in executions.ROWS if row.here] == [executions.ROWS[0].name] == ["local"]


def test_every_stage_has_its_needs() -> None:
    """In the stages' order; the image is the one of the service that does the work, and no user is shared."""
    assert [row.stage for row in resources.ROWS] == [stage.name for stage in STAGES]
    for row in resources.ROWS:
        assert BY_NAME[row.stage].module == f"so8t_{row.image}"
        assert min(row.cpus, row.memory_gib, row.disk_gib) > 0
    assert len({row.service for row in resources.ROWS}) == len(STAGES)


def test_who_starts_others_code_has_a_larger_image(config: Config, tmp_path: Path) -> None:
    """And a variable that chooses it; no configuration gives any other stage one."""
    laddered = make_config(tmp_path, ab_test={"ladder": True})
    assert not [stage for stage in STAGES if stage.starts(config)]
    starting = {stage.name for stage in STAGES if stage.starts(laddered)}
    assert starting == {row.stage for row in resources.ROWS if row.larger} == {"evaluate"}
    found = [(row.larger_for, row.chosen_by) for row in resources.ROWS if row.larger or row.larger_for or row.chosen_by]
    assert found == [("ab_test.ladder", "SO8T_EVALUATOR")]
