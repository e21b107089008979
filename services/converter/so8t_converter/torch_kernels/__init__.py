"""ggml's quantizers in torch, on any device, with the same bytes: what the compiled kernels do, for a GPU.

Every step is one eager operation over all blocks, in ggml's order, since sums depend on it. Three things would change
bytes and are avoided: operations that fuse a product with a sum (torch contracts none across operations, but `alpha=`,
`addcmul` and `lerp` do within one); torch's own sums, whose order is its own; and division by a Python number, which
torch on CUDA replaces by a product with the inverse. So divisors are tensors on the device.

Source: ggml, src/ggml-quants.c (quantize_row_*_ref), by way of kernels/*.h.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from so8t_converter.torch_kernels.blocks32 import q5_1, q8_0, symmetric
from so8t_converter.torch_kernels.min_scale import over_minimum
from so8t_converter.torch_kernels.nonlinear import iq4_nl, iq4_xs
from so8t_converter.torch_kernels.signed_scale import q6_k

KINDS: dict[str, tuple[int, Callable[[Tensor], Tensor]]] = {
    "Q4_0": (32, lambda x: symmetric(x, 8)),
    "Q5_0": (32, lambda x: symmetric(x, 16)),
    "Q5_1": (32, q5_1),
    "Q8_0": (32, q8_0),
    "Q4_K": (256, lambda x: over_minimum(x, 15, -1.0, 21)),
    "Q5_K": (256, lambda x: over_minimum(x, 31, -0.5, 16)),
    "Q6_K": (256, q6_k),
    "IQ4_NL": (32, iq4_nl),
    "IQ4_XS": (256, iq4_xs),
}
"""Values per block, and what turns rows of so many float32 values into blocks of bytes."""

_SOURCES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def quantize_on(device: str, kind: str, source: str, given: NDArray[np.uint8], written: NDArray[np.uint8]) -> int:
    """Quantize values of type `source` to blocks on a device; return how many are not finite: then nothing is written.

    Raises:
        KeyError: the type is not in KINDS.
    """
    length, quantize = KINDS[kind]
    values = torch.tensor(given, device=device).view(_SOURCES[source]).float()
    refused = int(values.numel() - values.isfinite().sum())
    if not refused:
        torch.from_numpy(written).copy_(quantize(values.reshape(-1, length)).flatten())
    return refused


def has_device(device: str) -> bool:
    """Whether torch can compute there."""
    try:
        return bool((torch.ones(1, device=device) + 1 == 2).item())
    except (RuntimeError, AssertionError):  # the latter without CUDA in the build
        return False
