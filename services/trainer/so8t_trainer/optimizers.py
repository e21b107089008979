"""AdamW in 32 or 8 bits, and its state as tensors for checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from so8t_shared.config.training import Optimizer, Training
from so8t_trainer.distributed.shards import like, part_of
from so8t_trainer.gates import is_gate
from so8t_trainer.scaling import SCALE


def make_optimizer(parameters: Mapping[str, nn.Parameter], settings: Training) -> torch.optim.Optimizer:
    """Return the optimizer with a separate parameter group for gates, without weight decay."""
    gates = [p for name, p in parameters.items() if is_gate(name)]
    others = [p for name, p in parameters.items() if not is_gate(name)]
    gate_rate = settings.gate_learning_rate or settings.learning_rate
    groups = [
        {"params": others, "peak_lr": settings.learning_rate, "weight_decay": settings.weight_decay},
        {"params": gates, "peak_lr": gate_rate, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    device = next(iter(parameters.values())).device.type
    made: torch.optim.Optimizer = _OPTIMIZERS[settings.optimizer](device)(
        groups,
        lr=settings.learning_rate,
        betas=(settings.adam_beta1, settings.adam_beta2),
        eps=settings.adam_epsilon,
    )
    return made


def _adamw(device: str) -> Any:
    """One kernel per parameter on a CPU, a fifth of the time of separate operations."""
    return partial(torch.optim.AdamW, fused=device == "cpu")


def _adamw_8bit(_: str) -> Any:
    from bitsandbytes.optim import AdamW8bit

    return AdamW8bit


def _paged_adamw_8bit(device: str) -> Any:
    """Only a GPU has memory to page from; on the CPU the state lies in the host's memory anyway."""
    if device == "cpu":
        return _adamw_8bit(device)
    from bitsandbytes.optim import PagedAdamW8bit

    return PagedAdamW8bit


_CONSTANT = "qmap"
"""Start of the names of bitsandbytes' code tables, which all parameters share and every optimizer makes anew."""

_OPTIMIZERS: dict[Optimizer, Callable[[str], Any]] = {
    "adamw": _adamw,
    "adamw_8bit": _adamw_8bit,
    "paged_adamw_8bit": _paged_adamw_8bit,
}
"""The optimizer's class, for a device."""


def state_tensors(parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's state by `key:parameter name`, and its loss scale; numbers become tensors."""
    scale = {
        key: torch.tensor(float(optimizer.param_groups[0][key])) for key in SCALE if key in optimizer.param_groups[0]
    }
    return scale | {
        f"{key}:{name}": value.detach().contiguous() if isinstance(value, Tensor) else torch.tensor(value)
        for name, parameter in parameters.items()
        for key, value in optimizer.state[parameter].items()
        if not key.startswith(_CONSTANT)
    }


def restore_state(
    parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]
) -> None:
    """Put what `state_tensors` returned back into a new optimizer, bit by bit."""
    if hasattr(optimizer, "init_state"):
        _prepare_8bit(optimizer)
    optimizer.param_groups[0].update({key: float(tensors[key]) for key in SCALE if key in tensors})
    for stored, value in tensors.items():
        if stored in SCALE:
            continue
        key, _, name = stored.partition(":")
        parameter = parameters[name]
        state = optimizer.state[parameter]
        if isinstance(state.get(key), int):
            state[key] = int(value)
        elif key in state:
            state[key].copy_(value)
        else:
            state[key] = (
                like(part_of(value, parameter).to(parameter.device, copy=True), parameter) if key != "step" else value
            )


def _prepare_8bit(optimizer: Any) -> None:
    """Make bitsandbytes allocate its state, part of which may be paged."""
    for number, group in enumerate(optimizer.param_groups):
        for position, parameter in enumerate(group["params"]):
            optimizer.init_state(group, parameter, number, position)
