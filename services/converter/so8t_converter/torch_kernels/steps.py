"""The steps that quantizers share, each the same on every device."""

from __future__ import annotations

import torch
from torch import Tensor

MAGIC = 12582912.0
"""1.5 * 2^23: adding it rounds to an integer, kept in the low bits."""
EPSILON = 1e-15
"""A group of Q6_K, IQ4_NL or IQ4_XS whose largest value is below is all zero."""


def ratio(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Divide as IEEE 754 says."""
    if isinstance(b, Tensor):
        return (a if isinstance(a, Tensor) else torch.full_like(b, a)) / b
    assert isinstance(a, Tensor)
    return a / torch.full_like(a, b)


def inverse_of(a: Tensor, number: float = 1.0) -> Tensor:
    """number / a, and 0 where a is 0."""
    return torch.where(a == 0, 0, ratio(number, a))


def nearest(a: Tensor) -> Tensor:
    """Round to int32 as ggml does, with its results for what is no such integer."""
    bits = (a + MAGIC).view(torch.int32)
    return torch.where(a.isnan(), 0, (bits & 0x7FFFFF) - 0x400000)


def ordered_sum(terms: Tensor) -> Tensor:
    """Sum over the last but one dimension, from the first to the last."""
    first, *others = terms.unbind(-2)
    for term in others:
        first = first + term
    return first


def largest_of(x: Tensor) -> tuple[Tensor, Tensor]:
    """The first value of the largest magnitude over the first dimension, 0 if there is none, and its magnitude."""
    size = torch.zeros_like(x[0])
    value = torch.zeros_like(size)
    for a in x:
        is_larger = a.abs() > size
        size, value = torch.where(is_larger, a.abs(), size), torch.where(is_larger, a, value)
    return value, size


def half_bytes(a: Tensor) -> Tensor:
    """The bytes [..., 2] of float16."""
    return a.half().unsqueeze(-1).view(torch.uint8)


def rounded_half(a: Tensor) -> Tensor:
    return a.half().float()


def joined(*parts: Tensor) -> Tensor:
    return torch.cat([part.to(torch.uint8) for part in parts], dim=1)


def bits_joined(bits: Tensor) -> Tensor:
    """Pack 32 bits [blocks, 32] into 4 bytes."""
    weights = 1 << torch.arange(8, device=bits.device, dtype=torch.int32)
    return (bits.to(torch.int32).reshape(-1, 4, 8) * weights).sum(-1)


def nibbles(levels: Tensor) -> Tensor:
    """Pack [..., 2 n] levels: the first half in the low four bits."""
    low, high = levels.chunk(2, dim=-1)
    return (low & 15) | (high & 15) << 4
