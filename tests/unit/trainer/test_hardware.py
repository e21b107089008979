"""Device and compute type are chosen by what the machine has."""

from __future__ import annotations

import pytest
import torch
from tests.messages import Said

from so8t_shared.errors import ConfigError
from so8t_trainer import hardware
from so8t_trainer.hardware import choose_device, choose_dtype, device_name

CPU = torch.device("cpu")


@pytest.mark.parametrize(("has_bf16", "dtype"), [(False, torch.float32), (True, torch.bfloat16)])
def test_auto_takes_bfloat16_only_with_instructions_for_it(
    monkeypatch: pytest.MonkeyPatch, has_bf16: bool, dtype: torch.dtype
) -> None:
    """Without them it is 12 to 16 times slower than float32."""
    monkeypatch.setattr(hardware, "has_bf16_instructions", lambda: has_bf16)
    assert choose_dtype("auto", CPU) == dtype


def test_a_demanded_type_is_used() -> None:
    """The configuration wins over what is fast."""
    assert choose_dtype("bfloat16", CPU) == torch.bfloat16
    assert choose_dtype("float32", CPU) == torch.float32


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_without_a_gpu_cuda_is_refused_and_auto_is_the_cpu(said: Said) -> None:
    """A demanded device is never silently replaced."""
    with said.raised(ConfigError):
        choose_device("cuda")
    assert choose_device("auto") == CPU
    assert device_name(CPU).startswith("cpu (")
