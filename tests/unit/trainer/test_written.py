"""What training will write, against what it writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.tiny_data import write_rows
from tests.unit.trainer.material import FakeControl
from tests.unit.trainer.runs import SETTINGS

from so8t_shared.config.model import Config
from so8t_shared.files import folder_bytes
from so8t_trainer.run import train_model
from so8t_trainer.written import bytes_written

_AROUND = 40_000
"""Bytes of headers and tokenizer files."""


@pytest.mark.parametrize(
    "method",
    [{}, {"use_full_finetuning": True, "so8t": {"enabled": False}}, {"lora": {"target_modules": ["q_proj", "v_proj"]}}],
    ids=["lora and gates", "all weights", "two layers"],
)
def test_what_is_planned_is_written(llama: Path, tmp_path: Path, method: dict[str, object]) -> None:
    """Merged weights, adapter, gates, and one checkpoint of those that are kept."""
    config = Config.model_validate(
        {
            "model_a": {"base_model": str(llama)},
            "dataset": {"paths": [str(write_rows(tmp_path / "rows.jsonl", per_class=10))]},
            "training": {**SETTINGS, "max_steps": 1, **method},
            "device": "cpu",
        }
    )
    control = FakeControl(tmp_path / "run")
    train_model(config, control)
    planned = bytes_written(config)
    output = control.output_dir
    sizes = {path.relative_to(output).as_posix(): path.stat().st_size for path in output.rglob("*.safetensors")}
    merged = sum(size for name, size in sizes.items() if name.startswith("merged/"))
    written = {"merged weights": merged, "adapter and gates": sum(sizes.values()) - merged}
    for what, size in written.items():
        assert planned[what] == pytest.approx(size, abs=_AROUND), what
    [*_, newest] = control.checkpoints.names()
    assert planned["checkpoints"] / (config.training.checkpoints_kept + 1) == pytest.approx(
        folder_bytes(control.checkpoints.load(newest)), abs=_AROUND
    )


def test_the_best_weights_are_planned(llama: Path) -> None:
    """A checkpoint holds them beside the newest: a third more. Each one that is kept counts, and the one in work."""
    values = {"model_a": {"base_model": str(llama)}, "dataset": {"paths": ["rows.jsonl"]}}
    sizes = [
        bytes_written(Config.model_validate({**values, "training": {"checkpoints_kept": kept, "keep_best": best}}))
        for kept, best in ((1, False), (3, False), (1, True))
    ]
    one, three, best = (size["checkpoints"] for size in sizes)
    assert (three, best) == (2 * one, pytest.approx(one * 4 / 3))
