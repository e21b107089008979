"""The original pipeline's file is a configuration of this one."""

from __future__ import annotations

from pathlib import Path

import yaml
from tests.unit.shared.config.conftest import load, write

ORIGINAL = """\
# the original pipeline's file, with all of its sections and keys
session_id_format: "%Y%m%d_%H%M%S"
output_base_dir: "D:/webdataset"
checkpoint_dir: "D:/webdataset/checkpoints/complete_so8t_ab_test"
device: cuda
model_a:
  base_model: "models/Borea-Phi-3.5-mini-Instruct-Jp"
  description: "Borea-Phi-3.5 + SO8T（そのまま GGUF 化）"
model_b:
  base_model: models/Borea-Phi-3.5-mini-Instruct-Jp
  description: |
    Retrained with SO8T
dataset:
  paths:
    - D:/webdataset/processed/four_class/train.jsonl
    - D:/webdataset/processed/domain_knowledge
  format: jsonl
training:
  config: configs/train.yaml
  use_qlora: true
  use_full_finetuning: false
gguf:
  convert_script: external/llama.cpp-master/convert_hf_to_gguf.py
  quantizations: [F16, q8_0, Q4_K_M]
ollama:
  model_a_name: borea-phi35-so8t-base
  model_b_name: borea-phi35-so8t-retrained
  modelfile_dir: modelfiles
ab_test:
  test_data: D:/webdataset/processed/four_class
  max_samples: 200
visualization:
  output_dir: D:/webdataset/ab_test_results/visualizations
  plot_format: png
  dpi: 300
"""
KEYS = """
session_id_format output_base_dir checkpoint_dir device
model_a.base_model model_a.description model_b.base_model model_b.description
dataset.paths dataset.format training.config training.use_qlora training.use_full_finetuning
gguf.convert_script gguf.quantizations ollama.model_a_name ollama.model_b_name ollama.modelfile_dir
ab_test.test_data ab_test.max_samples visualization.output_dir visualization.plot_format visualization.dpi
"""
"""What the contract names."""


def test_the_original_file_loads(tmp_path: Path) -> None:
    """All of the original sections and keys are accepted unchanged, with their meaning."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "train.yaml").write_text("learning_rate: 2e-4\nlora: {r: 64}\n")
    config = load(write(tmp_path, ORIGINAL))
    assert config.gguf.quantizations == ["f16", "q8_0", "q4_k_m"]
    assert config.base_of_b.description == "Retrained with SO8T\n"
    assert config.dataset.paths[1] == "D:/webdataset/processed/domain_knowledge"
    assert (config.training.use_qlora, config.training.lora.r, config.training.learning_rate) == (True, 64, 2e-4)
    assert (config.ab_test.max_samples, config.visualization.dpi) == (200, 300)
    assert config.visualization.output_dir == "visualizations"
    assert config.model_a.description.endswith("（そのまま GGUF 化）")


def test_the_original_file_is_complete() -> None:
    """The file above has every key that the contract names, so that the test before it means something."""
    original = yaml.safe_load(ORIGINAL)
    found = {
        f"{name}.{key}" if key else name
        for name, value in original.items()
        for key in (value if isinstance(value, dict) else [""])
    }
    assert found == set(KEYS.split())
