"""Device and compute type are chosen by what the machine has."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from so8t_shared.errors import ConfigError
from so8t_trainer.hardware import choose_device, choose_dtype, cpu_flags, device_name

CPU = torch.device("cpu")


def _cpu_info(folder: Path, flags: str) -> Path:
    path = folder / "cpuinfo"
    path.write_text(f"processor\t: 0\nmodel name\t: x\nflags\t\t: fpu {flags} sse\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("flags", "dtype"),
    [("avx2", torch.float32), ("avx512f avx512_bf16", torch.bfloat16), ("amx_bf16", torch.bfloat16)],
)
def test_auto_takes_bfloat16_only_with_instructions_for_it(tmp_path: Path, flags: str, dtype: torch.dtype) -> None:
    """AVX2 or plain AVX-512 is not enough."""
    path = _cpu_info(tmp_path, flags)
    assert set(flags.split()) <= cpu_flags(path)
    assert choose_dtype("auto", CPU, path) == dtype


def test_a_demanded_type_is_used() -> None:
    """The configuration wins over what is fast."""
    assert choose_dtype("bfloat16", CPU) == torch.bfloat16
    assert choose_dtype("float32", CPU) == torch.float32


def test_flags_of_an_unknown_system_are_empty(tmp_path: Path) -> None:
    """Then float32 is used."""
    assert cpu_flags(tmp_path / "nothing") == set()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_without_a_gpu_cuda_is_refused_and_auto_is_the_cpu() -> None:
    """A demanded device is never silently replaced."""
    with pytest.raises(ConfigError, match="CUDA"):
        choose_device("cuda")
    assert choose_device("auto") == CPU
    assert device_name(CPU).startswith("cpu (")
