"""Chooses the device and compute type for training by the machine's actual hardware."""

from __future__ import annotations

from typing import Literal

import torch

from so8t_shared.errors import ConfigError
from so8t_shared.free_memory import free_memory_bytes
from so8t_shared.processes import peak_memory_bytes
from so8t_shared.processor import has_bf16_instructions
from so8t_trainer.fit import Room


def choose_device(wanted: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """Return the device for `wanted` on this machine.

    Raises:
        ConfigError: cuda is requested but not available.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "The configuration requests a CUDA device, but none is available.",
            where="device = cuda",
            remedy="set device to auto or cpu, or install the driver and a CUDA build of torch",
        )
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def choose_dtype(wanted: Literal["auto", "float32", "bfloat16", "float16"], device: torch.device) -> torch.dtype:
    """Return the compute type; `auto` uses bfloat16 only with hardware support (else it is 12-16x slower).

    An older GPU gets float16, which trains with a loss scale.
    """
    if wanted != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[wanted]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return torch.bfloat16 if has_bf16_instructions() else torch.float32


def room_on(device: torch.device) -> Room:
    """Return the memory that training may use; what this process already holds of the host's counts as free."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return Room("cuda", free, total)
    import psutil

    free = free_memory_bytes() + psutil.Process().memory_info().rss
    return Room("cpu", free, max(free, psutil.virtual_memory().total))


def unused_bytes(device: torch.device) -> int:
    """Return the memory that no process holds."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else free_memory_bytes()


def peak_bytes(device: torch.device) -> int:
    """Return the most memory that this process has held, in bytes."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_reserved(device))
    return peak_memory_bytes()


def device_name(device: torch.device) -> str:
    """Return the device's name for the result."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.get_num_threads()} threads)"
