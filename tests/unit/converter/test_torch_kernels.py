"""torch's kernels against libgguf, byte for byte, on every device that this machine has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import libgguf
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.blocks import distributions, finite
from tests.messages import Said
from tests.unit.converter.conftest import Converted

from so8t_converter import kernels
from so8t_converter.convert import Conversion
from so8t_converter.kernels import UnrepresentableValues, quantize_rows, row_bytes
from so8t_converter.standalone import convert_folder
from so8t_converter.torch_kernels import KINDS
from so8t_shared.errors import ConfigError

DEVICES = [
    "torch:cpu",
    pytest.param("torch:cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]
DISTRIBUTIONS = dict(distributions(256 * 67, seed=29))


def _ours(kind: str, values: NDArray[Any], backend: str, source: str = "F32") -> NDArray[np.uint8]:
    rows = values.nbytes // kernels.SOURCES[source] // 256
    out = np.zeros((rows, row_bytes(kind, 256)), np.uint8)
    quantize_rows(kind, source, values, rows, 256, out, backend=backend)
    return out


def _libggufs(kind: str, values: NDArray[np.float32]) -> NDArray[np.uint8]:
    data = libgguf.quantize_rows(values.reshape(-1, 256), libgguf.GGMLQuantizationType[kind])
    return np.asarray(data).view(np.uint8).reshape(len(data), -1)


@pytest.mark.parametrize("backend", DEVICES)
@pytest.mark.parametrize("kind", KINDS)
def test_bytes_are_libggufs(kind: str, backend: str) -> None:
    """Every distribution, in one call as the converter makes it: no block differs."""
    values = np.concatenate(list(DISTRIBUTIONS.values()))
    wrong = (_ours(kind, values, backend) != _libggufs(kind, values)).any(1)
    names = np.repeat(list(DISTRIBUTIONS), 67)
    assert not wrong.any(), set(names[wrong])


@pytest.mark.parametrize("backend", DEVICES)
@settings(max_examples=40)
@given(data=st.binary(min_size=1024, max_size=1024), kind=st.sampled_from(list(KINDS)))
def test_any_block(data: bytes, kind: str, backend: str) -> None:
    """Whatever finite bits a block has."""
    values = finite(np.frombuffer(data, np.uint32))
    assert (_ours(kind, values, backend) == _libggufs(kind, values)).all()


@pytest.mark.parametrize("backend", DEVICES)
def test_half_precision(backend: str) -> None:
    """F16 and BF16 at an odd address give the bytes of the same values in F32."""
    for source, dtype in (("F16", torch.float16), ("BF16", torch.bfloat16)):
        stored = torch.from_numpy(DISTRIBUTIONS["weights in F16"]).to(dtype)
        shifted = np.concatenate([np.zeros(1, np.uint8), stored.view(torch.uint8).numpy()])[1:]
        assert (_ours("Q4_K", shifted, backend, source) == _libggufs("Q4_K", stored.float().numpy())).all()


@pytest.mark.parametrize("backend", DEVICES)
def test_what_cannot_be_represented_is_counted(backend: str) -> None:
    """Infinities and NaN."""
    values = DISTRIBUTIONS["normal"].copy()
    values[[0, 300, -1]] = [np.inf, -np.inf, np.nan]
    with pytest.raises(UnrepresentableValues) as caught:
        _ours("Q6_K", values, backend)
    assert caught.value.count == 3


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the device."""

    def choose(device: str) -> None:
        monkeypatch.setenv(kernels.DEVICE, device)
        kernels.device.cache_clear()

    yield choose
    kernels.device.cache_clear()


def test_a_conversion_by_torch(
    converted: Callable[[str], Converted], tmp_path: Path, on: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment variable makes torch quantize, and the files are the same; casts stay on the processor."""
    used: list[str] = []
    for kind, (length, quantize) in KINDS.items():

        def noted(x: torch.Tensor, kind: str = kind, quantize: Callable[..., torch.Tensor] = quantize) -> torch.Tensor:
            used.append(kind)
            return quantize(x)

        monkeypatch.setitem(KINDS, kind, (length, noted))
    on("cpu")
    convert_folder(Conversion(converted("llama").source, "m", ("f16", "q8_0", "q4_k_m")), tmp_path)
    for name in ("f16", "q8_0", "q4_k_m"):
        assert (tmp_path / f"m-{name.upper()}.gguf").read_bytes() == converted("llama").gguf(name).read_bytes()
    assert set(used) == {"Q8_0", "Q4_K", "Q6_K"}


@pytest.mark.parametrize("device", ["cuda:99", "gpu"])
def test_a_device_that_is_not_there(
    converted: Callable[[str], Converted], tmp_path: Path, on: Callable[[str], None], device: str, said: Said
) -> None:
    """It is named before anything is written."""
    on(device)
    with said.raised(ConfigError):
        convert_folder(Conversion(converted("llama").source, "", ("q8_0",)), tmp_path / "out")
    assert not (tmp_path / "out").exists()
