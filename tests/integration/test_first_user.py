"""The first user's configuration, rows and model, from run.sh to the report, as they are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.integration.workspace import environment, kill_when
from tests.servers.receivers import Received, http_receiver
from tests.tiny_data import write_thinking_rows
from tests.tiny_models import make_phi3

from so8t_shared.results.training import DataReport, TrainingPoint

ROOT = Path(__file__).resolve().parents[2]
STEPS = 4

PIPELINE = """\
session_id_format: "%Y%m%d_%H%M%S"
output_base_dir: "D:/work"
checkpoint_dir: "D:/work/checkpoints/complete"
model_a:
  base_model: "D:/work/models/phi"
  description: "as it is"
model_b:
  base_model: "D:/work/models/phi"
dataset:
  paths:
    - "D:/work/processed/rows"
  format: "jsonl"
training:
  config: "D:/work/train.yaml"
  use_qlora: false
  use_full_finetuning: false
gguf:
  convert_script: "external/convert_hf_to_gguf.py"
  quantizations:
    - "f16"
    - "q8_0"
ollama:
  model_a_name: "phi-base"
  model_b_name: "phi-retrained"
  modelfile_dir: "modelfiles"
ab_test:
  test_data: "D:/work/processed/rows"
  max_samples: 8
visualization:
  output_dir: "visualizations"
  plot_format: "png"
  dpi: 50
device: "cuda"
"""

TRAIN = """\
model:
  base_model: "C:/Users/me/models/phi"
  model_type: "phi3"
  torch_dtype: "bfloat16"
so8t:
  enabled: true
  layer_indices: [1]
  init_scale: 0.05
qlora:
  enabled: true
  r: 4
  lora_alpha: 8
  target_modules: ["qkv_proj", "o_proj"]
  lora_dropout: 0.05
  bias: "none"
  task_type: "CAUSAL_LM"
data:
  train_data: ["D:/work/processed/rows"]
  max_seq_length: 1024
  preprocessing_num_workers: 0
pet:
  enabled: true
  lambda_exploration: 0.01
  lambda_transition: 0.05
  lambda_stabilization: 0.1
  exploration_ratio: 0.2
  transition_ratio: 0.4
  stabilization_ratio: 0.4
training:
  output_dir: "D:/work/checkpoints/training"
  num_train_epochs: 3
  per_device_train_batch_size: 1
  gradient_accumulation_steps: 4
  learning_rate: 2.0e-3
  warmup_ratio: 0.1
  lr_scheduler_type: "cosine"
  save_steps: 1
  save_total_limit: 5
  eval_steps: 2
  evaluation_strategy: "steps"
  fp16: false
  gradient_checkpointing: true
  optim: "adamw_torch"
"""


@dataclass(frozen=True)
class _Machine:
    """A drive D: of the user, here a folder, and what this host has in the place of the user's."""

    drive: Path
    variables: dict[str, str]

    def command(self) -> list[str]:
        return ["/bin/sh", str(ROOT / "run.sh"), str(self.drive / "work" / "pipeline.yaml")]

    def metrics(self) -> list[TrainingPoint]:
        [path] = self._in_store("artifacts/train/*/attempts/*/output/metrics.jsonl")
        return TrainingPoint.read_lines(path)

    def report(self) -> DataReport:
        [path] = self._in_store("artifacts/train/*/attempts/*/output/data_report.json")
        return DataReport.read(path)

    def has_checkpoint(self) -> bool:
        return bool(self._in_store("artifacts/train/*/attempts/*/checkpoints/step-*/manifest.json"))

    def _in_store(self, pattern: str) -> list[Path]:
        return list((self.drive / "work" / "checkpoints" / "complete").glob(pattern))


@pytest.fixture
def notified() -> Iterator[Received]:
    """Somebody to tell."""
    with http_receiver() as received:
        yield received


@pytest.fixture
def machine(tmp_path: Path, notified: Received) -> _Machine:
    """Files in their places; no Docker."""
    drive = tmp_path / "D"
    make_phi3(drive / "work" / "models" / "phi")
    write_thinking_rows(drive / "work" / "processed" / "rows", encoding="cp932")
    (drive / "work" / "pipeline.yaml").write_text(PIPELINE, "utf-8")
    (drive / "work" / "train.yaml").write_text(TRAIN, "utf-8")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "dirname").symlink_to("/usr/bin/dirname")
    variables = {
        "PATH": str(programs),
        "PYTHON": sys.executable,
        "SO8T_INPUTS_ROOT": str(drive),
        "SO8T_NOTIFY": f"json://127.0.0.1:{notified.port}/of-mine",
        "SO8T__DEVICE": "cpu",
        "SO8T__TRAINING__MAX_STEPS": str(STEPS),
        "SO8T__AB_TEST__BOOTSTRAP_RESAMPLES": "500",
        "SO8T__AB_TEST__THREADS": "1",
    }
    return _Machine(drive, {**environment(), **variables})


@pytest.mark.timeout(900)
def test_from_run_sh_to_the_report(machine: _Machine, notified: Received) -> None:
    """Killed while it trains and started again: report, validation in the curve, all roles, one message each."""
    log = machine.drive / "first.log"
    with log.open("wb") as file:
        first = subprocess.Popen(
            machine.command(), env=machine.variables, stdout=file, stderr=file, start_new_session=True
        )
        killed = kill_when(first, machine.has_checkpoint)
        os.killpg(first.pid, signal.SIGKILL)
    assert killed, log.read_text("utf-8")
    done = subprocess.run(
        machine.command(), env=machine.variables, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [results] = (machine.drive / "work").glob("ab_test_results/*/ab_test_results.json")
    assert (results.parent / "report.html").is_file()
    assert json.loads(results.read_text("utf-8"))["evaluation"]["test_set"]["n"] == 8
    points = machine.metrics()
    assert [point.step for point in points] == list(range(1, STEPS + 1))
    assert [point.step for point in points if point.validation] == [2, 4]
    assert set(machine.report().thinking) >= {"task", "safety", "policy", "<think>"}
    titles = [post["title"] for post in notified.posts]
    assert len(titles) == len(set(titles)), titles
    assert any("phi-retrained" in title for title in titles), titles
