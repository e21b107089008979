"""The service's process, killed for real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.tiny_data import write_rows
from tests.unit.trainer.material import FakeControl

from so8t_shared.config.load import load_config
from so8t_shared.results.live import Live
from so8t_shared.results.training import TENSORBOARD
from so8t_trainer.run import train_model

TRAINING = {"max_steps": 8, "batch_size": 4, "checkpoint_every_steps": 2, "dtype": "float32", "lora": {"dropout": 0.1}}
TRAINING |= {"keep_best": True, "validate_every_steps": 3}


def _write_config(folder: Path, model: Path, rows: Path) -> Path:
    folder.mkdir()
    config = {
        "model_a": {"base_model": str(model)},
        "dataset": {"paths": [str(rows)]},
        "training": TRAINING,
        "checkpoint_dir": str(folder / "store"),
        "output_base_dir": str(folder / "results"),
        "device": "cpu",
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder / "config.yaml"


def _start(config: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "so8t_shared.cli", "stage", "train", "-c", str(config)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _finish(process: subprocess.Popen[str], code: int = 0) -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == code, output
    return output


def _wait_for(process: subprocess.Popen[str], folder: Path, pattern: str) -> None:
    while not list(folder.glob(pattern)):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.005)


def _committed(folder: Path) -> dict[str, bytes]:
    [files] = folder.glob("store/artifacts/train/*/attempts/*/output")
    return {path.relative_to(files).as_posix(): path.read_bytes() for path in files.rglob("*") if path.is_file()}


def _plain(name: str) -> str:
    """Without the time and process in the names of TensorBoard's files."""
    return TENSORBOARD if name.startswith(TENSORBOARD) else name


@pytest.mark.slow
def test_killed_and_started_again_it_ends_with_the_same_files(llama: Path, tmp_path: Path) -> None:
    """SIGKILL after a checkpoint, then on to the end: as if never interrupted.

    Every file has the same bytes, but for those that hold durations; the step with the best validation is the same.
    """
    rows = write_rows(tmp_path / "data" / "rows.jsonl", per_class=30)
    config = _write_config(tmp_path / "killed", llama, rows)
    work = "store/artifacts/train/*/attempts/*/checkpoints/{}/manifest.json"

    process = _start(config)
    _wait_for(process, config.parent, work.format("step-000002"))
    process.send_signal(signal.SIGKILL)
    _finish(process, -signal.SIGKILL)
    _finish(_start(config))

    log = next(config.parent.glob("store/sessions/*/train/log.jsonl")).read_text()
    assert "resuming after step" in log
    control = FakeControl(tmp_path / "whole")
    train_model(load_config(config), control)
    expected = {p.relative_to(control.output_dir).as_posix(): p for p in control.output_dir.rglob("*") if p.is_file()}
    found = _committed(config.parent)
    assert {_plain(name) for name in found} == {_plain(name) for name in expected}
    same = {name: path for name, path in expected.items() if not name.startswith(TENSORBOARD)}
    differing = {name for name, path in same.items() if path.read_bytes() != found[name]}
    assert differing == {"metrics.jsonl", "training.json"}
    ends = [json.loads(text) for text in (found["training.json"], expected["training.json"].read_bytes())]
    assert ends[0]["weights_step"] == ends[0]["best_step"] == ends[1]["best_step"] in {3, 6, 8}
    [shown] = config.parent.glob(f"store/artifacts/train/*/attempts/*/output/{TENSORBOARD}*")
    steps = [event.step for event in EventAccumulator(str(shown)).Reload().Scalars("train/loss")]
    assert steps == list(range(1, 9))
    [live] = config.parent.glob("store/sessions/*/train/live.json")
    assert Live.read(live).steps == 8, "what those who watch see"
    assert not list(config.parent.glob(work.format("*")))
