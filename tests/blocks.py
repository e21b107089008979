"""Values that are easy, hard and hostile to quantizers: what the kernels are compared on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def distributions(count: int, seed: int) -> Iterator[tuple[str, Floats]]:
    """Yield names and `count` finite float32 values, a multiple of 256."""
    r = np.random.default_rng(seed)
    normal = r.standard_normal(count, np.float32)
    rows = normal.reshape(-1, 256)
    yield from _weights(r, normal * np.float32(0.02))
    yield "normal", normal
    yield "uniform", r.uniform(-1, 1, count).astype(np.float32)
    yield "student-t, two degrees of freedom", r.standard_t(2, count).astype(np.float32)
    yield "small integers", r.integers(-3, 4, count).astype(np.float32)
    yield "all positive", np.abs(normal)
    yield "all negative", -np.abs(normal) - np.float32(0.5)
    yield "sorted in groups of 32", np.sort(normal.reshape(-1, 32), axis=1).reshape(-1)
    yield "groups of 32 from 1e-12 to 1", _scaled(normal.reshape(-1, 32), r.uniform(-27, 0, count // 32))
    yield "blocks from 1e-30 to 1e4", _scaled(rows, r.uniform(-69, 9, count // 256))
    yield "nearly zero, about 1e-15", _scaled(rows, r.uniform(-37, -32, count // 256))
    yield "huge, 1e8 to 1e18", _scaled(rows, r.uniform(18, 41, count // 256))
    yield "denormal", (r.integers(-(1 << 22), 1 << 22, count) * 2.0**-149).astype(np.float32)
    yield "smallest denormals", (r.integers(-200, 200, count) * 2.0**-149).astype(np.float32)
    yield "largest", np.sign(normal) * np.finfo(np.float32).max
    yield "any finite bits", finite(r.integers(0, 1 << 32, count, dtype=np.uint32))
    yield from _repeated(r, count)
    yield "all negative, with a long tail", -r.pareto(1, count).astype(np.float32)


def importances(length: int, seed: int) -> Iterator[tuple[str, Floats]]:
    """Yield names and importance matrices of a row of `length` values, a multiple of 32."""
    r = np.random.default_rng(seed)
    squares = np.square(r.standard_normal(length, np.float32))
    yield "squares", squares
    yield "ones", np.ones(length, np.float32)
    yield "zeros", np.zeros(length, np.float32)
    yield "nine of ten are zero", np.where(r.random(length) < 0.9, np.float32(0), squares)
    yield (
        "half of the groups of 32 are zero",
        np.where(np.repeat(r.random(length // 32) < 0.5, 32), np.float32(0), squares),
    )
    yield "from 1e-35 to 1e35", np.exp(r.uniform(-80, 80, length)).astype(np.float32)
    yield "any finite bits", finite(r.integers(0, 1 << 31, length, dtype=np.uint32))
    yield "smallest denormals", (r.integers(0, 200, length) * 2.0**-149).astype(np.float32)
    yield "few large ones", np.where(r.permutation(length) < 3, np.float32(1e4), np.float32(1e-3) * squares)


def _weights(r: np.random.Generator, weights: Floats) -> Iterator[tuple[str, Floats]]:
    yield "weights in BF16", to_bf16(weights)
    yield "weights in F16", weights.astype(np.float16).astype(np.float32)
    sparse = to_bf16(weights)
    sparse[r.random(len(sparse)) < 0.9] = 0
    yield "nine of ten are zero", sparse
    groups = to_bf16(weights).reshape(-1, 32)
    groups[r.random(len(groups)) < 0.3] = 0
    yield "some groups of 32 are zero", groups.reshape(-1)


def _repeated(r: np.random.Generator, count: int) -> Iterator[tuple[str, Floats]]:
    constant = np.repeat(r.standard_normal(count // 256, np.float32), 256)
    yield "constant blocks", constant
    yield "constant groups of 32", np.repeat(r.standard_normal(count // 32, np.float32), 32)
    yield "alternating", constant * np.tile(np.float32([1, -1]), count // 2)
    single = np.zeros(count, np.float32)
    single[::256] = r.standard_normal(count // 256)
    yield "one value per block", single
    yield "zero", np.zeros(count, np.float32)
    yield "negative zero", np.full(count, -0.0, np.float32)
    yield "zeros of either sign", (r.integers(0, 2, count, np.uint32) << np.uint32(31)).view(np.float32)


def _scaled(groups: Floats, exponents: NDArray[np.float64]) -> Floats:
    return (groups * np.exp(exponents)[:, None]).astype(np.float32).reshape(-1)


def finite(bits: NDArray[np.uint32]) -> Floats:
    """Make float32 values of these bits; infinity and NaN become finite."""
    return np.where((bits >> 23 & 255) == 255, bits & np.uint32(0x80FFFFFF), bits).astype(np.uint32).view(np.float32)


def to_bf16(values: Floats) -> Floats:
    """Round to BF16, to nearest even."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    return (bits + np.uint32(0x7FFF) + (bits >> 16 & 1) & np.uint32(0xFFFF0000)).view(np.float32)
