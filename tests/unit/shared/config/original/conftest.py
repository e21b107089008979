"""Files of the original form, with all keys that its author's own files have."""

from __future__ import annotations

from pathlib import Path

import pytest

PIPELINE = """\
# the whole pipeline / パイプライン

output_base_dir: "E:/work"
checkpoint_dir: "E:/work/store"

# the models
model_a:
  base_model: "models/base"
model_b:
  base_model: "models/base"
dataset:
  paths:
    - "E:/work/rows"
  format: "jsonl"

# how B is made
training:
  use_qlora: true  # 8 bits
  config: "configs/train.yaml"

# conversion
gguf:
  convert_script: "convert.py"
  quantizations:
    - "f16"
    - "q8_0"
    # q4_k_m comes later
# the test
ab_test:
  max_samples: 50  # a quick one
"""

TRAIN = """\
model:
  base_model: "E:/work/models/gated"  # with gates
  model_type: "phi3_so8t"
  torch_dtype: "bfloat16"
data:
  train_data:
    - "E:/work/train.jsonl"
  val_data: "E:/work/val.jsonl"
  max_seq_length: 2048
  preprocessing_num_workers: 0
# the adapter / アダプタ
qlora:
  r: 64                    # rank
  lora_alpha: 128
  target_modules:
    - "q_proj"
    - "k_proj"
    - "v_proj"
    - "o_proj"
    - "gate_proj"
    - "up_proj"
    - "down_proj"
  lora_dropout: 0.05
  bias: "none"
  task_type: "CAUSAL_LM"
quantization:
  load_in_8bit: true
  load_in_4bit: false
  bnb_8bit_compute_dtype: "float16"
  bnb_8bit_use_double_quant: true
  bnb_8bit_quant_type: "nf8"
training:
  output_dir: "E:/work/checkpoints"
  num_train_epochs: 3
  per_device_train_batch_size: 1  # one row # for 12 GB
  per_device_eval_batch_size: 1
  gradient_accumulation_steps: 16
  # the optimizer
  learning_rate: 2.0e-4
  weight_decay: 0.01
  adam_beta1: 0.9
  adam_beta2: 0.999
  adam_epsilon: 1.0e-8
  max_grad_norm: 1.0
  lr_scheduler_type: "cosine"
  warmup_ratio: 0.1
  warmup_steps: 0
  fp16: true
  bf16: false
  tf32: false
  logging_steps: 10
  save_steps: 500
  save_total_limit: 5
  save_strategy: "steps"
  evaluation_strategy: "steps"
  eval_steps: 500
  report_to: []
  load_best_model_at_end: true
  metric_for_best_model: "eval_loss"
  greater_is_better: false
  gradient_checkpointing: true
  optim: "paged_adamw_8bit"
  dataloader_num_workers: 0
loss:
  so8t_orthogonality_weight: 0.01
device: "cuda"
"""

ALONE = """\
# one card of 12 GB
model:
  base_model: "C:/models/base"
  torch_dtype: "float16"
so8t:
  enabled: true
  layer_indices: [4, 5, 6, 7]
  init_scale: 0.05
  orthogonal_reg: 1.0e-4
  use_efficient_attention: true
quantization:
  load_in_8bit: false
  llm_int8_threshold: 6.0
  llm_int8_has_fp16_weight: false
  use_fp16: true
  use_bf16: false
qlora:
  enabled: true
  r: 32
data:
  train_data_dir: "E:/work/thinking"
  train_data_pattern: "quadruple_*.jsonl"
  fallback_train_data: "E:/work/plain.jsonl"
  max_seq_length: 1024
pet:
  enabled: true
  # three phases
  lambda_exploration: 0.02      # first
  lambda_transition: 0.06
  lambda_stabilization: 0.2
  exploration_ratio: 0.1
  transition_ratio: 0.4
  stabilization_ratio: 0.5
  huber_delta: 0.0
  reduction: "mean"
  clip_gradient: true
  max_gradient_norm: 1.0
  eps: 1.0e-8
  log_every_n_steps: 100
  save_stats: true
training:
  num_train_epochs: 3
  evaluation_strategy: "no"
  save_logits: true
  save_logits_steps: 100
  save_logits_dir: "logits"
  save_logits_max_files: 10
  save_metrics: true
  save_metrics_steps: 10
  dataloader_pin_memory: false
pipeline:
  base_output_dir: "E:/work/out"
  model_name: "small_Card"
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A pipeline file beside the training file that it names as from the folder above."""
    folder = tmp_path / "configs"
    folder.mkdir()
    (folder / "train.yaml").write_text(TRAIN, encoding="utf-8")
    path = folder / "pipeline.yaml"
    path.write_text(PIPELINE, encoding="utf-8")
    return path


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """A training file that stands alone."""
    path = tmp_path / "alone.yaml"
    path.write_text(ALONE, encoding="utf-8")
    return path
