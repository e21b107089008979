"""IQ4_NL and IQ4_XS: levels are places in a table of 16 unequal steps."""

from __future__ import annotations

import torch
from torch import Tensor

from so8t_converter.torch_kernels.steps import (
    EPSILON,
    half_bytes,
    inverse_of,
    joined,
    largest_of,
    nearest,
    nibbles,
    ordered_sum,
    ratio,
)

_MIDDLES = (-115.5, -93.5, -74, -57, -42, -28.5, -16, -4.5, 7, 19, 31.5, 45.5, 61, 79, 101)
"""Between two neighboring steps of IQ4_NL; the upper one is taken at the middle."""
_STEPS = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)


def _place(a: Tensor) -> Tensor:
    middles = torch.tensor(_MIDDLES, dtype=torch.float32, device=a.device)
    return torch.where(a.isnan(), 15, torch.bucketize(a, middles, right=True, out_int32=True))


def _fit_nonlinear(x: Tensor) -> Tensor:
    """Return scale [n] of groups [32, n]."""
    high, size = largest_of(x)
    square = x * x
    table = torch.tensor(_STEPS, dtype=torch.float32, device=x.device)

    def tried(inverse: Tensor) -> tuple[Tensor, Tensor]:
        step = table[_place(inverse * x)]
        weighted = square * step
        sum_xl, sum_l2 = ordered_sum(torch.stack([weighted * x, weighted * step]))
        return sum_xl, sum_l2

    sum_xl, sum_l2 = tried(ratio(1.0, ratio(-high, -127.0)))
    scale = torch.where(sum_l2 > 0, sum_xl / sum_l2, 0)
    best = scale * sum_xl
    for step in range(-7, 8):
        sum_xl, sum_l2 = tried(ratio(float(step - 127), high))
        is_better = (sum_l2 > 0) & (sum_xl * sum_xl > best * sum_l2)
        scale = torch.where(is_better, sum_xl / sum_l2, scale)
        best = torch.where(is_better, scale * sum_xl, best)
    return torch.where(size < EPSILON, 0, scale)


def iq4_nl(x: Tensor) -> Tensor:
    """Return the blocks [n, 18] of rows [n, 32]."""
    scale = _fit_nonlinear(x.T.contiguous()).unsqueeze(1)
    return joined(half_bytes(scale).flatten(1), nibbles(_place(inverse_of(scale) * x)))


def iq4_xs(x: Tensor) -> Tensor:
    """Return the blocks [n, 136] of rows [n, 256]."""
    scale = _fit_nonlinear(x.reshape(-1, 32).T.contiguous()).reshape(-1, 8)
    d = ratio(-largest_of(scale.T)[0].unsqueeze(1), 32.0)
    levels = nearest(inverse_of(d) * scale).clamp(-32, 31)
    places = torch.arange(0, 8, 2, device=x.device, dtype=torch.int32)
    codes = levels + 32
    high = ((codes >> 4).reshape(-1, 2, 4) << places).sum(2)
    low = (codes[:, 0::2] & 15) | (codes[:, 1::2] & 15) << 4
    unit = (d * levels).unsqueeze(2)
    return joined(
        half_bytes(d).flatten(1), high, low, nibbles(_place(inverse_of(unit) * x.reshape(-1, 8, 32))).flatten(1)
    )
