"""Q8_0, Q5_0, Q5_1 and Q4_0: blocks of 32 values with one scale."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from so8t_converter.torch_kernels.steps import bits_joined, half_bytes, inverse_of, joined, largest_of, nibbles, ratio

_BELOW_HALF = float(np.float32(0.49999997))


def q8_0(x: Tensor) -> Tensor:
    """Return the blocks [n, 34] of rows [n, 32]."""
    d = ratio(x.abs().amax(1, keepdim=True), 127.0)
    inverse = inverse_of(d)
    a = x * inverse
    levels = torch.where(inverse.isfinite(), a + torch.copysign(torch.full_like(a, _BELOW_HALF), a), 0).to(torch.int32)
    return joined(half_bytes(d).flatten(1), levels & 255)


def symmetric(x: Tensor, half: int) -> Tensor:
    """Q4_0 and Q5_0: levels 0..2 * half - 1, `half` being zero."""
    d = ratio(largest_of(x.T)[0].unsqueeze(1), float(-half))
    inverse = inverse_of(d)
    levels = torch.where(inverse.isfinite(), x * inverse + (half + 0.5), 0).to(torch.int32).clamp(max=2 * half - 1)
    fifth = [bits_joined(levels >> 4)] if half > 8 else []
    return joined(half_bytes(d).flatten(1), *fifth, nibbles(levels))


def q5_1(x: Tensor) -> Tensor:
    """Return the blocks [n, 24] of rows [n, 32]."""
    low, high = x.amin(1, keepdim=True), x.amax(1, keepdim=True)
    places = torch.arange(32, device=x.device)
    first_zero = torch.where(x == 0, places, 31).amin(1, keepdim=True)
    low = torch.where(low == 0, x.gather(1, first_zero), low)  # the first zero's sign
    d = ratio(high - low + 0.0, 31.0)  # never -0
    inverse = inverse_of(d)
    is_usable = inverse.isfinite() & d.isfinite()
    levels = torch.where(is_usable, (x - low) * inverse + 0.5, 0).to(torch.int32)
    return joined(half_bytes(d).flatten(1), half_bytes(low).flatten(1), bits_joined(levels >> 4), nibbles(levels))
