"""Q6_K: 16 groups of 16 values, each with a signed 8-bit scale."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from so8t_converter.torch_kernels.steps import (
    EPSILON,
    half_bytes,
    joined,
    largest_of,
    nearest,
    ordered_sum,
    ratio,
    rounded_half,
)


def _fit_signed(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return scale [n], and levels [16, n] from 0 to 63, of groups [16, n]."""
    high, size = largest_of(x)
    square = x * x
    cube = square * x

    def tried(inverse: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        levels = nearest(inverse * x).clamp(-32, 31)
        number = levels.float()
        sum_xl, sum_l2 = ordered_sum(torch.stack([cube * number, square * number * number]))
        return levels, sum_xl, sum_l2

    levels, sum_xl, sum_l2 = tried(ratio(-32.0, high))
    scale = torch.where(sum_l2 != 0, sum_xl / sum_l2, 0)
    best = scale * sum_xl
    for step in (*range(-9, 0), *range(1, 10)):
        number = -(np.float32(32) + np.float32(0.1) * np.float32(step))
        others, sum_xl, sum_l2 = tried(ratio(float(number), high))
        is_better = (sum_l2 > 0) & (sum_xl * sum_xl > best * sum_l2)
        scale = torch.where(is_better, sum_xl / sum_l2, scale)
        best = torch.where(is_better, scale * sum_xl, best)
        levels = torch.where(is_better, others, levels)
    is_zero = size < EPSILON
    return torch.where(is_zero, 0, scale), torch.where(is_zero, 0, levels + 32)


def q6_k(x: Tensor) -> Tensor:
    """Return the blocks [n, 210] of rows [n, 256]."""
    scale, fitted = _fit_signed(x.reshape(-1, 16).T.contiguous())
    scale = scale.reshape(-1, 16)
    top, largest = (each.unsqueeze(1) for each in largest_of(scale.T))
    inverse = ratio(-128.0, top)
    codes = nearest(inverse * scale).clamp(max=127).to(torch.int8)
    unit = ratio(1.0, inverse)
    d = (rounded_half(unit) * codes).unsqueeze(2)
    groups = x.reshape(-1, 16, 16)
    levels = torch.where(d == 0, fitted.T.reshape(-1, 16, 16), nearest(groups / d).clamp(-32, 31) + 32)
    q = levels.reshape(-1, 2, 4, 32)
    low = torch.stack([(q[:, :, 0] & 15) | (q[:, :, 2] & 15) << 4, (q[:, :, 1] & 15) | (q[:, :, 3] & 15) << 4], 2)
    high = q[:, :, 0] >> 4 | q[:, :, 1] >> 4 << 2 | q[:, :, 2] >> 4 << 4 | q[:, :, 3] >> 4 << 6
    blocks = joined(low.flatten(1), high.flatten(1), codes.view(torch.uint8), half_bytes(unit).flatten(1))
    return torch.where(largest < EPSILON, 0, blocks)
