"""A stage's needs: the table's, unless the configuration says others."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.unit.shared.material import make_config

from so8t_shared.config.execution import Execution
from so8t_shared.config.model import Config
from so8t_shared.running.needs import Needs, image_of, need_others, needs_of
from so8t_shared.stages import STAGES, stage_named
from so8t_shared.tables.resources import ROWS

TRAIN = stage_named("train")


def test_the_tables_figures(config: Config) -> None:
    """As they stand there."""
    row = TRAIN.resources
    assert needs_of(TRAIN, config) == Needs(row.cpus, row.memory_gib, row.disk_gib, row.gpus)
    assert row.gpus == 1


def test_others_replace_them(tmp_path: Path) -> None:
    """One by one."""
    config = make_config(tmp_path, execution={"resources": {"train": {"gpus": 8, "memory_gib": 9}}})
    row = TRAIN.resources
    assert needs_of(TRAIN, config) == Needs(row.cpus, 9, row.disk_gib, 8)
    assert needs_of(stage_named("report"), config).gpus == 0


def test_no_gpu(tmp_path: Path) -> None:
    """On the CPU, and for asking a server."""
    assert needs_of(TRAIN, make_config(tmp_path, device="cpu")).gpus == 0
    evaluate = stage_named("evaluate")
    assert needs_of(evaluate, make_config(tmp_path)).gpus == 1
    assert needs_of(evaluate, make_config(tmp_path, ab_test={"engine": "ollama"})).gpus == 0


def test_a_ladder(tmp_path: Path) -> None:
    """The stage that climbs it computes rungs itself, so it takes a GPU, and the image with torch; no other does."""
    config = make_config(tmp_path, ab_test={"engine": "ollama", "ladder": True})
    evaluate = stage_named("evaluate")
    assert needs_of(evaluate, config).gpus == 1
    assert needs_of(evaluate, config.model_copy(update={"device": "cpu"})).gpus == 0
    others = {stage.name: image_of(stage, config) for stage in STAGES if stage != evaluate}
    assert others == {row.stage: row.image for row in ROWS if row.stage != "evaluate"}
    without = make_config(tmp_path, ab_test={"engine": "ollama"})
    assert (image_of(evaluate, config), image_of(evaluate, without)) == ("climber", "evaluator")
    need_others(evaluate, without)


def test_an_unknown_stage() -> None:
    """It is refused, like an unknown key."""
    with pytest.raises(ValidationError):
        Execution.model_validate({"resources": {"trian": {"gpus": 8}}})
