"""Gates in chosen layers only: the others are untouched, in training, in the merged weights and in the result."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from tests.messages import Said
from tests.tiny_models import make_llama
from tests.unit.trainer.material import disturb, encoded_rows, trainee, training
from transformers import AutoModelForCausalLM

from so8t_shared.errors import ConfigError
from so8t_trainer.merge import merge_checkpoint
from so8t_trainer.run import save_trained


def test_only_the_chosen_layers_are_folded(tmp_path: Path) -> None:
    """Of three layers, 1 has a gate: only its o_proj changes, and the merged model answers as the trained one."""
    base = make_llama(tmp_path / "base", layers=3)
    values = {"so8t": {"layers": "1"}, "lora": {"target_modules": ["down_proj"]}}
    subject = trainee(base, **values)
    assert list(subject.gates.parameters) == [1]
    disturb(subject)
    (tmp_path / "out").mkdir()
    changes = save_trained(tmp_path / "out", subject, training(**values))
    assert list(changes.gates) == ["model.layers.1.self_attn.so8t_gate"]
    merge_checkpoint(base, changes, tmp_path / "merged")

    before, after = (load_file(folder / "model.safetensors") for folder in (base, tmp_path / "merged"))
    changed = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    projections = {f"model.layers.{layer}.mlp.down_proj.weight" for layer in range(3)}
    assert changed == {"model.layers.1.self_attn.o_proj.weight"} | projections
    row = encoded_rows(base)[0]
    ids = torch.tensor([[*row.prompt, *row.completion]])
    subject.causal_lm.set_attn_implementation("sdpa")
    with torch.no_grad():
        expected = subject.causal_lm.eval()(ids).logits
        merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()(ids).logits
    torch.testing.assert_close(merged, expected, rtol=1e-4, atol=1e-4)


def test_a_layer_that_does_not_exist_is_refused(llama: Path, said: Said) -> None:
    """The error names the model's layers."""
    with said.raised(ConfigError):
        trainee(llama, so8t={"layers": "1-2"})
