"""The plan of the test before a run: which rows it is made from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.shared.material import RemoteStore, make_config, make_model, run_stage, write

from so8t_shared.config.model import Config
from so8t_shared.planning.plan import make_plan
from so8t_shared.planning.testing import plan_of_test
from so8t_shared.results.training import LabeledRow
from so8t_shared.running.context import StageContext
from so8t_shared.sessions.session import open_session
from so8t_shared.stages import stage_named
from so8t_shared.store.local import LocalStore

LABELS = ("ALLOW", "ESCALATION", "DENY", "REFUSE")


@pytest.fixture
def own(tmp_path: Path) -> Config:
    """One's own 84 rows, three of each group."""
    make_model(tmp_path / "model")
    rows = [{"text": f"Request {i}", "label": LABELS[i % 4], "group": f"{i % 4} {i // 12}"} for i in range(84)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return make_config(tmp_path)


def _train(ctx: StageContext) -> None:
    held_out = [LabeledRow(id=f"{i:016x}", text=str(i), label=LABELS[i % 4]).to_bytes() for i in range(40)]
    write(ctx.output_dir, {"splits/test.jsonl": b"\n".join(held_out)})


def test_before_training(own: Config) -> None:
    """About a fifth of the rows, by the groups that they declare."""
    plan = plan_of_test(own)
    assert plan is not None
    assert plan.about
    assert 12 <= plan.rows <= 24
    assert plan.groups == plan.rows / 3
    assert not plan.gate_can_pass
    assert f", about {plan.rows} rows cannot show any difference" in plan.reach


@pytest.mark.parametrize("kind", [LocalStore, RemoteStore])
def test_after_training(own: Config, tmp_path: Path, kind: type[LocalStore]) -> None:
    """The rows that were held out, whatever became of the data since."""
    store = kind(tmp_path / "store")
    run_stage(stage_named("train"), open_session(store, own), store, _train)
    plan = plan_of_test(own, store, make_plan(store, own))
    assert plan is not None
    assert (plan.about, plan.rows, plan.groups) == (False, 40, 40)


@pytest.mark.parametrize("path", ["/no/such/rows.jsonl", "owner/name"])
def test_rows_elsewhere(own: Config, path: str) -> None:
    """Nothing is planned for rows that are not here."""
    dataset = own.dataset.model_copy(update={"paths": [path]})
    assert plan_of_test(own.model_copy(update={"dataset": dataset})) is None
