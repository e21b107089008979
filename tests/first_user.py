"""The first user's drive D: a tiny model, Japanese rows that think, and two files of the original form."""

from __future__ import annotations

from pathlib import Path

from tests.tiny_data import write_thinking_rows
from tests.tiny_models import make_phi3

STEPS = 24

_PIPELINE = """\
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
  threads: 1
  bootstrap_resamples: 500
visualization:
  output_dir: "visualizations"
  plot_format: "png"
  dpi: 50
device: "cuda"
"""

_TRAIN = """\
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
  max_steps: 24
  per_device_train_batch_size: 1
  gradient_accumulation_steps: 4
  learning_rate: 2.0e-3
  warmup_ratio: 0.1
  lr_scheduler_type: "cosine"
  save_steps: 1
  save_total_limit: 5
  eval_steps: 12
  evaluation_strategy: "steps"
  fp16: false
  gradient_checkpointing: true
  optim: "adamw_torch"
"""


def write_drive(drive: Path) -> Path:
    """Write all of it below a folder that stands for D:; return the pipeline's file, which names STEPS steps."""
    work = drive / "work"
    make_phi3(work / "models" / "phi")
    write_thinking_rows(work / "processed" / "rows", encoding="cp932")
    (work / "train.yaml").write_text(_TRAIN, "utf-8")
    pipeline = work / "pipeline.yaml"
    pipeline.write_text(_PIPELINE, "utf-8")
    return pipeline
