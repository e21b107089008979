"""The model in training: its base, its trainable parameters, and the gates."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from so8t_shared.config.training import BaseMemory, Training
from so8t_shared.errors import InputError
from so8t_trainer import attention
from so8t_trainer.base import check_base
from so8t_trainer.gates import GateBank, attach_gates
from so8t_trainer.products import speed_up

logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
"""PEFT imports it, and it then advises to install a package with which it would fetch native code from the Hub."""

Method = Literal["lora", "qlora", "full"]
_METHODS: dict[BaseMemory, Method] = {"full": "full", "8": "qlora", "4": "qlora"}


@dataclass
class Trainee:
    """A causal language model prepared for training."""

    causal_lm: Any
    """The transformers model including adapters; its `.model` is the body, `.lm_head` the head."""
    adapter: Any | None
    """PEFT's wrapper around it; None for full fine-tuning."""
    gates: GateBank | None
    method: Method
    device: torch.device
    dtype: torch.dtype
    run: Callable[..., Any] = field(default=lambda function, *values: function(*values))
    """Calls a function that computes with the model; distributed weights are whole only inside it."""

    def trainable(self) -> dict[str, nn.Parameter]:
        """Return all trained parameters by a stable name."""
        named = {name: p for name, p in self.causal_lm.named_parameters() if p.requires_grad}
        if self.gates is not None:
            named |= self.gates.named_parameters()
        return named

    @property
    def attention_dtype(self) -> torch.dtype:
        """The type in which attention computes."""
        return torch.float32 if self.device.type == "cpu" else self.dtype

    @property
    def long_above(self) -> int | None:
        """Tokens above which a sequence gets other rotary factors (long rope), and with it all rows of its pass."""
        rope = getattr(self.causal_lm.config, "rope_parameters", None) or {}
        return rope.get("original_max_position_embeddings") if rope.get("rope_type") == "longrope" else None

    def hidden_states(self, **inputs: Any) -> Tensor:
        """Return the last hidden states [1, T, d] of the body (after its final norm)."""
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            states: Tensor = self.causal_lm.model(use_cache=False, **inputs).last_hidden_state
        return states

    def logits(self, states: Tensor) -> Tensor:
        """Return logits [n, vocabulary] in fp32 for hidden states [n, d]."""
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            values: Tensor = self.causal_lm.lm_head(states)
        return values.float()

    def parameter_count(self) -> int:
        """Return the number of parameters of the base, without adapters and gates."""
        return sum(p.numel() for name, p in self.causal_lm.named_parameters() if "lora_" not in name)


def load_trainee(base: Path, settings: Training, device: torch.device, dtype: torch.dtype) -> Trainee:
    """Load `base` and attach adapter and gates as configured; the seed sets the adapter's initial weights.

    `auto` in the settings means no quantization and no checkpointing here; fit.py decides it.

    Raises:
        InputError: the folder is not a trainable checkpoint, or target_modules match nothing.
        ConfigError: so8t.layers names a layer that the model does not have.
    """
    check_base(base)
    model = load_base(base, settings.base_memory, device, dtype)
    _check_window(model, base, settings)
    return prepare(model, settings, device, dtype)


def prepare(model: Any, settings: Training, device: torch.device, dtype: torch.dtype) -> Trainee:
    """Attach adapter and gates to a loaded causal language model."""
    method = _METHODS.get(settings.base_memory, "lora")
    torch.manual_seed(settings.seed)
    adapter = None if method == "full" else _adapted(model, settings, quantized=method == "qlora")
    gates = attach_gates(model, settings.so8t.rotation, settings.so8t.layers) if settings.so8t.enabled else None
    if settings.gradient_checkpointing is True:
        _recompute_activations(model, reentrant=settings.base_memory == "8")
    speed_up(model)
    model.set_attn_implementation(attention.NAME)
    model.train()
    return Trainee(model, adapter, gates, method, device, dtype)


def _recompute_activations(model: Any, *, reentrant: bool) -> None:
    """Turn gradient checkpointing on.

    `reentrant` is for bitsandbytes' 8-bit product, which keeps its input out of autograd's sight: only a first pass
    without gradients drops it.
    """
    if reentrant:
        model.enable_input_require_grads()
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": reentrant})


def load_base(base: Path, memory: BaseMemory, device: torch.device, dtype: torch.dtype) -> Any:
    """Load a causal language model; `full` keeps all weights in fp32.

    Raises:
        InputError: the folder is not a complete checkpoint.
    """
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    options: dict[str, Any] = {"dtype": torch.float32 if memory == "full" else dtype}
    quantized = _quantization(memory, dtype)
    if quantized is not None:
        options |= {"quantization_config": quantized, "device_map": {"": device}}
    try:
        model = AutoModelForCausalLM.from_pretrained(
            base, local_files_only=True, trust_remote_code=False, use_safetensors=True, **options
        )
    except torch.OutOfMemoryError:
        raise  # the checkpoint is sound
    except Exception as error:  # transformers raises anything for values of config.json that it does not expect
        raise InputError(
            f"The model cannot be loaded: {(str(error) or type(error).__name__).splitlines()[0]}",
            where=str(base),
            remedy="check that the checkpoint is complete and that its config.json belongs to it",
        ) from error
    return model if quantized is not None else model.to(device)


def _quantization(memory: BaseMemory, dtype: torch.dtype) -> Any | None:
    """Return bitsandbytes' settings for a base in 8 or 4 bits (NF4 with its scales in 8 bits)."""
    from transformers import BitsAndBytesConfig

    match memory:
        case "8":
            return BitsAndBytesConfig(load_in_8bit=True)
        case "4":
            return BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_use_double_quant=True,
                bnb_4bit_compute_dtype=dtype,
            )
    return None


def _check_window(model: Any, base: Path, settings: Training) -> None:
    sliding = getattr(model.config, "layer_types", None) or []
    window = getattr(model.config, "sliding_window", None)
    limits_attention = "sliding_attention" in sliding or not sliding
    if window and limits_attention and settings.max_length > window:
        raise InputError(
            f"The model only attends to the last {window} tokens, but training.max_length is {settings.max_length}.",
            where=str(base / "config.json"),
            remedy=f"set training.max_length to {window} or less",
        )


def _adapted(model: Any, settings: Training, *, quantized: bool) -> Any:
    from peft import LoraConfig, get_peft_model

    if quantized:
        for parameter in model.parameters():
            parameter.requires_grad_(False)
    config = LoraConfig(
        r=settings.lora.r,
        lora_alpha=settings.lora.alpha,
        lora_dropout=settings.lora.dropout,
        target_modules=_targets(model, settings.lora.target_modules),
        bias="none",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def _targets(model: Any, wanted: list[str] | None) -> list[str]:
    """Return the names of the linear layers to adapt, checked against the decoder layers."""
    available = sorted(set(_linear_names(model)))
    missing = sorted(set(wanted or []) - set(available))
    if missing:
        raise InputError(
            f"The model has no linear layer named {', '.join(missing)}.",
            where="training.lora.target_modules",
            remedy=f"choose from {', '.join(available)}",
        )
    return wanted or available


def _linear_names(model: Any) -> Iterator[str]:
    for name, module in model.model.layers.named_modules():
        if isinstance(module, nn.Linear):
            yield name.rpartition(".")[2]
