"""Q4_K and Q5_K: 8 groups of 32 values, each with a 6-bit scale and a 6-bit minimum."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from so8t_converter.torch_kernels.steps import (
    half_bytes,
    inverse_of,
    joined,
    nearest,
    nibbles,
    ordered_sum,
    ratio,
    rounded_half,
)


def _fit_over_minimum(x: Tensor, top: int, first: float, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return scale [n] and minimum [n], and levels [32, n], of groups [32, n]."""
    mean = ratio(ordered_sum(x * x), 32.0).double().sqrt().float()  # torch's float32 root is not always the nearest
    weight = mean + x.abs()
    sum_w, sum_x = ordered_sum(torch.stack([weight, weight * x]))
    low, high = x.amin(0).clamp(max=0), x.amax(0)
    is_flat = high == low

    def levels_for(inverse: Tensor) -> Tensor:
        return nearest(inverse * (x - low)).clamp(0, top).float()

    def error_of(levels: Tensor, slope: Tensor, offset: Tensor) -> Tensor:
        miss = slope * levels + offset - x
        return ordered_sum(weight * (miss * miss))

    inverse = ratio(float(top), high - low)
    levels, scale = levels_for(inverse), ratio(1.0, inverse)
    best = error_of(levels, scale, low)
    for step in range(steps):
        number = np.float32(first) + np.float32(0.1) * np.float32(step) + np.float32(top)
        tried = levels_for(ratio(float(number), high - low))
        weighted = weight * tried
        sum_l, sum_l2, sum_xl = ordered_sum(torch.stack([weighted, weighted * tried, weighted * x]))
        det = sum_w * sum_l2 - sum_l * sum_l
        slope = (sum_w * sum_xl - sum_x * sum_l) / det
        offset = (sum_l2 * sum_x - sum_l * sum_xl) / det
        slope, offset = torch.where(offset > 0, sum_xl / sum_l2, slope), torch.where(offset > 0, 0, offset)
        error = error_of(tried, slope, offset)
        is_better = (det > 0) & (error < best)
        levels, best = torch.where(is_better, tried, levels), torch.where(is_better, error, best)
        scale, low = torch.where(is_better, slope, scale), torch.where(is_better, offset, low)
    return torch.where(is_flat, 0, scale), -low, torch.where(is_flat, 0, levels).to(torch.int32)


def _six_bits(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return codes of values [blocks, 8], the bytes of the scale of all, and what the codes stand for."""
    top = torch.zeros_like(values[:, 0])
    for value in values.unbind(1):
        top = torch.where(value > top, value, top)
    top = top.unsqueeze(1)
    codes = (nearest(inverse_of(top, 63.0) * values) & 255).clamp(max=63)
    unit = ratio(top, 63.0)
    return codes, half_bytes(unit).flatten(1), rounded_half(unit) * codes


def over_minimum(x: Tensor, top: int, first: float, steps: int) -> Tensor:
    """Return the blocks of rows of 256 values with levels 0..top; `steps` scales from top + `first` up are tried."""
    scale, minimum, fitted = _fit_over_minimum(x.reshape(-1, 32).T.contiguous(), top, first, steps)
    a, head, d = _six_bits(scale.reshape(-1, 8))
    b, head_m, m = _six_bits(minimum.reshape(-1, 8))
    groups, d, m = x.reshape(-1, 8, 32), d.unsqueeze(2), m.unsqueeze(2)
    levels = torch.where(d == 0, fitted.T.reshape(-1, 8, 32), nearest((groups + m) / d).clamp(0, top))
    (a0, a1), (b0, b1) = a.chunk(2, 1), b.chunk(2, 1)
    packed = [a0 | a1 >> 4 << 6, b0 | b1 >> 4 << 6, (a1 & 15) | (b1 & 15) << 4]
    low = nibbles(levels.reshape(-1, 4, 64)).flatten(1)
    places = torch.arange(8, device=x.device, dtype=torch.int32).reshape(8, 1)
    fifth = [((levels >> 4) << places).sum(1)] if top > 15 else []
    return joined(head, head_m, *packed, *fifth, low)
