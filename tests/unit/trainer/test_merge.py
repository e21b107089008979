"""The merged checkpoint answers as the trained model did, and is an ordinary one."""

from __future__ import annotations

import json
import shutil
import weakref
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.messages import Said
from tests.tiny_models import make_llama, make_phi3
from tests.unit.trainer.material import disturb, encoded_rows, trainee, training
from transformers import AutoModelForCausalLM, AutoTokenizer

from so8t_shared.errors import InputError
from so8t_trainer.merge import Changes, merge_checkpoint
from so8t_trainer.model import Trainee
from so8t_trainer.run import save_trained


def _merge(subject: Trainee, base: Path, folder: Path, **values: object) -> Path:
    folder.mkdir()
    merge_checkpoint(base, save_trained(folder, subject, training(**values)), folder / "merged")
    return folder / "merged"


def _logits(model: torch.nn.Module, ids: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(ids, use_cache=False).logits


def _trained_logits(subject: Trainee, ids: torch.Tensor) -> torch.Tensor:
    subject.causal_lm.set_attn_implementation("sdpa")
    return _logits(subject.causal_lm, ids)


def _ids(base: Path) -> torch.Tensor:
    row = encoded_rows(base)[2]
    return torch.tensor([[*row.prompt, *row.completion]])


@pytest.mark.parametrize("rotation", ["exp", "cayley"])
def test_folded_and_merged_equals_gated(any_model: Path, tmp_path: Path, rotation: str) -> None:
    """Adapter and gates at work, the ordinary model gives the trained one's logits to 1e-5."""
    values = {"so8t": {"rotation": rotation}, "lora": {"r": 4, "alpha": 12}}
    subject = trainee(any_model, **values)
    disturb(subject)
    ids = _ids(any_model)
    expected = _trained_logits(subject, ids)
    base = _logits(AutoModelForCausalLM.from_pretrained(any_model), ids)
    assert (expected - base).abs().max() > 0.1

    merged = AutoModelForCausalLM.from_pretrained(_merge(subject, any_model, tmp_path / "out", **values))
    assert (_logits(merged, ids) - expected).abs().max() < 1e-5 * expected.abs().max()


def test_the_merge_is_pefts(any_model: Path, tmp_path: Path) -> None:
    """Without gates every tensor equals that of PEFT's own merge."""
    values = {"so8t": {"enabled": False}}
    subject = trainee(any_model, **values)
    disturb(subject)
    folder = _merge(subject, any_model, tmp_path / "out", **values)
    found = load_file(folder / "model.safetensors")
    expected = subject.adapter.merge_and_unload().state_dict()
    assert not (tmp_path / "out" / "gates.safetensors").exists()
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-6, atol=1e-6, msg=name)


def test_full_finetuning_is_folded_too(any_model: Path, tmp_path: Path) -> None:
    """All weights come from training; gates are folded into them."""
    values = {"use_full_finetuning": True}
    subject = trainee(any_model, **values)
    disturb(subject)
    with torch.no_grad():
        for parameter in subject.causal_lm.parameters():
            parameter.add_(0.01)
    ids = _ids(any_model)
    expected = _trained_logits(subject, ids)
    merged = AutoModelForCausalLM.from_pretrained(_merge(subject, any_model, tmp_path / "out", **values))
    assert (_logits(merged, ids) - expected).abs().max() < 1e-5 * expected.abs().max()
    assert not (tmp_path / "out" / "adapter").exists()


def test_qlora_merges_into_the_full_precision_base(llama: Path, tmp_path: Path) -> None:
    """The merged weights are base + adapter, not the int8 copy + adapter."""
    values = {"use_qlora": True, "so8t": {"enabled": False}}
    subject = trainee(llama, **values)
    disturb(subject)
    merged = load_file(_merge(subject, llama, tmp_path / "out", **values) / "model.safetensors")
    name = "model.layers.0.mlp.down_proj"
    layer = subject.causal_lm.get_submodule(name)
    delta = 2 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    expected = load_file(llama / "model.safetensors")[f"{name}.weight"] + delta
    torch.testing.assert_close(merged[f"{name}.weight"], expected.detach())


def test_an_untrained_model_merges_to_its_base_bit_by_bit(any_model: Path, tmp_path: Path) -> None:
    """A/A: the same tensors, types included, and the same configuration."""
    for number, values in enumerate(({}, {"use_full_finetuning": True})):
        folder = _merge(trainee(any_model, **values), any_model, tmp_path / str(number), **values)
        found, expected = (load_file(path / "model.safetensors") for path in (folder, any_model))
        assert found.keys() == expected.keys()
        for name, tensor in found.items():
            assert torch.equal(tensor, expected[name])
            assert tensor.dtype == expected[name].dtype
        assert json.loads((folder / "config.json").read_text()) == json.loads((any_model / "config.json").read_text())


def test_a_bfloat16_base_keeps_what_did_not_change(tmp_path: Path) -> None:
    """Changed tensors are stored in float32 (rounding would lose the fold), the others as they were."""
    base = make_llama(tmp_path / "base", dtype=torch.bfloat16)
    subject = trainee(base)
    disturb(subject)
    ids = _ids(base)
    expected = _trained_logits(subject, ids)
    folder = _merge(subject, base, tmp_path / "out")
    types = {name: tensor.dtype for name, tensor in load_file(folder / "model.safetensors").items()}
    assert types["model.embed_tokens.weight"] == torch.bfloat16
    assert types["model.layers.1.self_attn.o_proj.weight"] == torch.float32
    merged = AutoModelForCausalLM.from_pretrained(folder)
    assert merged.dtype == torch.float32
    assert (_logits(merged, ids) - expected).abs().max() < 1e-5 * expected.abs().max()


def _sharded_phi3(folder: Path) -> Path:
    base = make_phi3(folder)
    model = AutoModelForCausalLM.from_pretrained(base)
    (base / "model.safetensors").unlink()
    model.save_pretrained(base, max_shard_size="1MB")
    assert len(list(base.glob("*.safetensors"))) > 1
    return base


def test_a_sharded_base_is_merged(tmp_path: Path) -> None:
    """All of its files are read; what fits into one file becomes one, without an index."""
    base = _sharded_phi3(tmp_path / "base")
    subject = trainee(base)
    disturb(subject)
    ids = _ids(base)
    folder = _merge(subject, base, tmp_path / "out")
    assert [path.name for path in folder.glob("model*")] == ["model.safetensors"]
    merged = AutoModelForCausalLM.from_pretrained(folder)
    torch.testing.assert_close(_logits(merged, ids), _trained_logits(subject, ids), rtol=1e-4, atol=1e-4)


@dataclass(frozen=True)
class _Watched(Changes):
    """Knows which of the tensors that it gave are still held by somebody."""

    given: list[weakref.ref[torch.Tensor]] = field(default_factory=list)

    def apply(self, name: str, weight: torch.Tensor) -> torch.Tensor:
        result = super().apply(name, weight)
        self.given.append(weakref.ref(result))
        return result

    def held(self) -> list[torch.Tensor]:
        return [tensor for ref in self.given if (tensor := ref()) is not None]


def test_no_more_than_a_shard_is_held(tmp_path: Path) -> None:
    """Whatever the base's files are, merging holds one shard and the tensor in work, and writes none larger."""
    base = make_phi3(tmp_path / "base")
    limit = 1 << 20
    sizes = {name: tensor.nbytes for name, tensor in load_file(base / "model.safetensors").items()}
    assert sum(sizes.values()) > 4 * limit
    gates = {f"model.layers.{layer}.self_attn.so8t_gate": torch.full((32, 28), 0.1) for layer in range(2)}
    changes, held = _Watched(gates=gates), []
    merge_checkpoint(
        base, changes, tmp_path / "out", lambda *_: held.append(sum(t.nbytes for t in changes.held())), limit
    )
    assert len(held) == len(sizes)
    assert max(held) <= limit + max(sizes.values())
    assert changes.held() == []
    for path in (tmp_path / "out").glob("*.safetensors"):
        found = load_file(path)
        assert len(found) == 1 or sum(tensor.nbytes for tensor in found.values()) <= limit

    merge_checkpoint(base, Changes(gates=gates), tmp_path / "whole")
    whole = load_file(tmp_path / "whole" / "model.safetensors")
    found = AutoModelForCausalLM.from_pretrained(tmp_path / "out").state_dict()
    assert found.keys() == whole.keys()
    assert all(torch.equal(found[name], whole[name]) for name in whole)


def test_the_folder_is_an_ordinary_checkpoint(tmp_path: Path) -> None:
    """Tokenizer, chat template and generation settings come along; code and its references do not."""
    base = make_phi3(tmp_path / "base")
    path = base / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"auto_map": {"AutoConfig": "evil.Config"}}
    path.write_text(json.dumps(config), encoding="utf-8")
    (base / "evil.py").write_text("raise SystemExit", encoding="utf-8")
    (base / "LICENSE").write_text("mine", encoding="utf-8")
    folder = _merge(trainee(base), base, tmp_path / "out")
    expected = {path.name for path in base.iterdir()} - {"evil.py"}
    assert {path.name for path in folder.iterdir()} == expected
    assert "auto_map" not in json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in folder.iterdir())
    tokenizers = [AutoTokenizer.from_pretrained(place) for place in (base, folder)]
    assert tokenizers[0].chat_template == tokenizers[1].chat_template
    assert not [name for name in load_file(folder / "model.safetensors") if "so8t" in name or "lora" in name]


def test_a_change_without_its_tensor_is_refused(llama: Path, tmp_path: Path, said: Said) -> None:
    """An adapter for other names would otherwise be lost in silence."""
    stray = Changes(gates={"model.layers.9.self_attn.so8t_gate": torch.ones(32, 28)})
    with said.raised(InputError):
        merge_checkpoint(llama, stray, tmp_path / "merged")


def test_a_truncated_file_is_refused(llama: Path, tmp_path: Path, said: Said) -> None:
    """With the file's name."""
    base = tmp_path / "base"
    shutil.copytree(llama, base)
    (base / "model.safetensors").write_bytes((llama / "model.safetensors").read_bytes()[:1000])
    with said.raised(InputError) as caught:
        merge_checkpoint(base, Changes(), tmp_path / "merged")
    assert caught.value.where.endswith("model.safetensors")
