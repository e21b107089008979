"""What is loaded, what of it is trained, and which folders are refused."""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.messages import Said
from tests.tiny_models import make_foreign_so8t, make_llama
from tests.unit.trainer.material import trainee

from so8t_shared.errors import InputError


def _copy(model: Path, folder: Path, **config: object) -> Path:
    shutil.copytree(model, folder)
    path = folder / "config.json"
    values = json.loads(path.read_text(encoding="utf-8")) | config
    path.write_text(json.dumps(values), encoding="utf-8")
    return folder


def test_lora_covers_all_linear_layers_of_the_decoder(any_model: Path) -> None:
    """Attention and MLP, whatever they are called; never the head or the embedding."""
    names = [name for name in trainee(any_model).trainable() if "lora_A" in name]
    modules = {name.split(".")[-4] if name.endswith("default.weight") else name for name in names}
    fused = {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"}
    split = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert {name.split(".lora_A")[0].rpartition(".")[2] for name in names} == (
        fused if any_model.name == "Phi3ForCausalLM" else split
    ), modules


def test_full_finetuning_trains_every_weight(llama: Path) -> None:
    """All weights and the gates, no adapter."""
    subject = trainee(llama, use_full_finetuning=True)
    assert subject.adapter is None
    assert subject.method == "full"
    gates = sum(p.numel() for p in subject.gates.parameters.values())
    assert sum(p.numel() for p in subject.trainable().values()) == subject.parameter_count() + gates


def test_qlora_holds_the_base_in_eight_bits(llama: Path) -> None:
    """The linear layers of the base are int8; only adapters and gates are trained."""
    subject = trainee(llama, use_qlora=True)
    types = {p.dtype for name, p in subject.causal_lm.named_parameters() if "base_layer.weight" in name}
    assert types == {torch.int8}
    assert all("lora_" in name or name.endswith("so8t_gate") for name in subject.trainable())


def test_the_seed_decides_the_first_weights(llama: Path) -> None:
    """The same seed gives the same adapter."""
    one, same, other = (trainee(llama, seed=seed).trainable() for seed in (1, 1, 2))
    name = next(name for name in one if "lora_A" in name)
    assert torch.equal(one[name], same[name])
    assert not torch.equal(one[name], other[name])


def test_unknown_target_modules_are_refused(llama: Path, said: Said) -> None:
    """The error lists what the model has."""
    with said.raised(InputError):
        trainee(llama, lora={"target_modules": ["q_proj", "qkv_proj"]})


def test_chosen_target_modules_are_used(llama: Path) -> None:
    """Only they get an adapter."""
    names = [name for name in trainee(llama, lora={"target_modules": ["v_proj"]}).trainable() if "lora" in name]
    assert names
    assert all(".v_proj." in name for name in names)


def test_an_already_integrated_base_is_refused(tmp_path: Path, said: Said) -> None:
    """The original project's format holds gates; its code is not run."""
    folder = make_foreign_so8t(tmp_path / "foreign")
    with said.raised(InputError):
        trainee(folder)
    assert not (folder / "executed.marker").exists()


def test_a_truncated_base_is_refused(llama: Path, tmp_path: Path, said: Said) -> None:
    """With the folder's name, not with a traceback."""
    folder = _copy(llama, tmp_path / "t")
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    with said.raised(InputError, where=str(folder)):
        trainee(folder)


def test_a_model_that_transformers_does_not_know_is_refused(llama: Path, tmp_path: Path, said: Said) -> None:
    """With what it says."""
    with said.raised(InputError):
        trainee(_copy(llama, tmp_path / "x", model_type="nonesuch"))


def test_rows_longer_than_the_sliding_window_are_refused(
    tiny_models: dict[str, Path], tmp_path: Path, said: Said
) -> None:
    """Packed attention sees whole rows; a window that cuts them would be another model."""
    folder = _copy(tiny_models["Phi3ForCausalLM"], tmp_path / "w", sliding_window=512)
    with said.raised(InputError):
        trainee(folder, max_length=1024)
    assert trainee(folder, max_length=512)


def test_a_base_in_four_bits(llama: Path) -> None:
    """NF4: two weights to a byte; only adapters and gates are trained."""
    subject = trainee(llama, base_bits=4)
    weights = [p for name, p in subject.causal_lm.named_parameters() if "base_layer.weight" in name]
    assert {p.dtype for p in weights} == {torch.uint8}
    assert {p.quant_state.quant_type for p in weights} == {"nf4"}
    assert all("lora_" in name or name.endswith("so8t_gate") for name in subject.trainable())
    assert subject.method == "qlora"


def test_nobody_is_advised_to_fetch_code(llama: Path) -> None:
    """bitsandbytes' advice to install `kernels`, with which it would load native code from the Hub, is not shown."""
    trainee(llama)
    assert not logging.getLogger("bitsandbytes.backends.cpu.ops").isEnabledFor(logging.WARNING)


def _read() -> dict[str, int]:
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return {name: int(value) for name, value in (line.split(": ") for line in lines)}


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="only Linux counts what a process reads")
@pytest.mark.parametrize("settings", [{}, {"use_full_finetuning": True}, {"base_bits": 8}])
def test_each_byte_of_the_base_is_read_once(tmp_path: Path, settings: dict[str, Any]) -> None:
    """Mapped, and from the disk once where the cache holds nothing; no call copies it, or reads it again."""
    base = make_llama(tmp_path / "base", vocab=20_000)
    trainee(base, **settings)  # what is imported later is not the base
    weights = base / "model.safetensors"
    with weights.open("rb") as file:
        os.fsync(file)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    before, size = _read(), weights.stat().st_size
    trainee(base, **settings)
    found = {name: count - before[name] for name, count in _read().items()}
    assert found["rchar"] < size / 10
    assert found["read_bytes"] < 1.1 * size
