"""The compiled kernels against libgguf, byte for byte, on every target that this machine has."""

from __future__ import annotations

import _ctypes
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import libgguf
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.blocks import distributions, finite, importances

from so8t_converter import kernels
from so8t_converter.kernels import FALLBACK, UnrepresentableValues, backends, quantize_rows, row_bytes
from so8t_converter.mixture import _FALLBACKS
from so8t_shared.tables.quantizations import ROWS

Importance = NDArray[np.float32] | None

BLOCKS = ["Q4_0", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"]
CASTS = ["F32", "F16", "BF16"]
COMPILED = backends()[:-1]
LARGEST = {"F16": np.uint32(0x477FEFFF).view(np.float32), "BF16": np.uint32(0x7F7F7FFF).view(np.float32)}
"""The largest float32 that still rounds to a finite value."""

needs_kernels = pytest.mark.skipif(not COMPILED, reason="the kernels were not compiled: no C compiler")
DISTRIBUTIONS = dict(distributions(256 * 67, seed=13))


def _ours(
    kind: str,
    values: NDArray[Any],
    backend: str | None = None,
    source: str = "F32",
    length: int = 256,
    importance: Importance = None,
) -> NDArray[np.uint8]:
    rows = values.size // length
    out = np.zeros((rows, row_bytes(kind, length)), np.uint8)
    quantize_rows(kind, source, values, rows, length, out, importance, backend=backend)
    return out


def _libggufs(
    kind: str, values: NDArray[np.float32], length: int = 256, importance: Importance = None
) -> NDArray[np.uint8]:
    data = libgguf.quantize_rows(values.reshape(-1, length), libgguf.GGMLQuantizationType[kind], importance)
    return np.asarray(data).view(np.uint8).reshape(len(data), -1)


@needs_kernels
@pytest.mark.parametrize("kind", [*BLOCKS, *CASTS])
def test_bytes_are_libggufs(kind: str) -> None:
    """Every distribution, every target of this processor: no block differs."""
    limit = LARGEST.get(kind, np.float32(np.inf))
    for name, distributed in DISTRIBUTIONS.items():
        values = np.clip(distributed, -limit, limit)
        expected = _libggufs(kind, values)
        for backend in backends():
            assert (_ours(kind, values, backend) == expected).all(), (name, backend)


@needs_kernels
@pytest.mark.parametrize("kind", [*BLOCKS, "Q4_1"])
def test_bytes_with_an_importance_matrix_are_libggufs(kind: str) -> None:
    """Every importance and distribution, in rows that do not divide a chunk, on every target: no row differs."""
    length = 768 if kind in {"Q4_K", "Q5_K", "Q6_K", "IQ4_XS"} else 96
    names = list(DISTRIBUTIONS)
    for i, (name, importance) in enumerate(importances(length, seed=7)):
        for distributed in names[i % 3 :: 3]:
            values = DISTRIBUTIONS[distributed][: 256 * 66]
            expected = _libggufs(kind, values, length, importance)
            for backend in backends():
                written = _ours(kind, values, backend, length=length, importance=importance)
                assert (written == expected).all(), (name, distributed, backend)


def test_an_importance_matrix_changes_the_bytes() -> None:
    """Except those of Q8_0 and of a cast."""
    importance = dict(importances(256, seed=1))["squares"]
    values = DISTRIBUTIONS["normal"]
    for kind in (*BLOCKS, "F16"):
        is_same = (_ours(kind, values) == _ours(kind, values, importance=importance)).all()
        assert is_same == (kind in {"Q8_0", "F16"}), kind


@pytest.mark.parametrize("importance", [np.ones(255, np.float32), np.ones(256), np.ones((1, 256), np.float32)])
def test_an_importance_matrix_that_does_not_fit(importance: NDArray[Any]) -> None:
    """Another length, type or shape."""
    with pytest.raises(ValueError, match=r"float32\[256\]"):
        _ours("Q4_K", DISTRIBUTIONS["normal"], importance=importance)


def _block(kind: str, scale: float, seed: int) -> NDArray[np.float32]:
    """256 values of one kind; `scale` from 0 to 1 covers what it can be."""
    r = np.random.default_rng(seed)
    normal, sign = r.standard_normal(256), r.choice([-1.0, 1.0])
    magnitude = 10.0 ** (-30 + 35 * scale)
    values: dict[str, NDArray[Any]] = {
        "random": normal * magnitude,
        "constant": np.full(256, sign * magnitude),
        "denormal": r.integers(-(1 << int(1 + 21 * scale)), 1 << int(1 + 21 * scale), 256) * 2.0**-149,
        "huge": normal * 10.0 ** (4 + 33.8 * scale),
        "alternating": sign * magnitude * np.tile([1.0, -1.0], 128),
        "nearly zero": normal * 10.0 ** (-16 + 3 * scale),
        "one outlier": np.where(r.permutation(256) == 0, sign, normal * 10.0 ** (-8 * scale)),
        "zero": np.zeros(256) * sign,
    }
    limit = np.finfo(np.float32).max
    return np.clip(values[kind], -limit, limit).astype(np.float32)


KINDS = ["random", "constant", "denormal", "huge", "alternating", "nearly zero", "one outlier", "zero"]
DRAWN = st.builds(_block, st.sampled_from(KINDS), st.floats(0, 1), st.integers(0, 1 << 32))
ANY_BITS = st.binary(min_size=1024, max_size=1024).map(lambda data: finite(np.frombuffer(data, np.uint32)))
ROW = st.lists(DRAWN | ANY_BITS, min_size=1, max_size=20).map(np.concatenate)
"""Blocks side by side, since a target works on several at once and each must go its own way."""


@needs_kernels
@pytest.mark.parametrize("kind", BLOCKS)
@settings(max_examples=20)
@given(values=ROW)
def test_any_blocks(kind: str, values: NDArray[np.float32]) -> None:
    """Whatever finite blocks stand side by side, every target writes libgguf's bytes."""
    expected = _libggufs(kind, values)
    for backend in COMPILED:
        assert (_ours(kind, values, backend) == expected).all(), backend


@needs_kernels
@pytest.mark.parametrize("kind", [*BLOCKS, "Q4_1"])
@settings(max_examples=10)
@given(data=st.data(), values=st.lists(DRAWN | ANY_BITS, min_size=1, max_size=12).map(np.concatenate))
def test_any_blocks_with_any_importance(kind: str, data: st.DataObject, values: NDArray[np.float32]) -> None:
    """Whatever finite blocks stand side by side, and whatever weighs their values."""
    choices = list(importances(256, data.draw(st.integers(0, 1 << 32))))
    importance = data.draw(st.sampled_from(choices))[1]
    expected = _libggufs(kind, values, 256, importance)
    for backend in COMPILED:
        assert (_ours(kind, values, backend, importance=importance) == expected).all(), backend


@pytest.mark.parametrize("kind", [*BLOCKS, *CASTS])
@settings(max_examples=10)
@given(
    values=st.lists(DRAWN, min_size=1, max_size=9).map(np.concatenate),
    places=st.lists(st.integers(0, 255), min_size=1, max_size=8, unique=True),
    bad=st.sampled_from([0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00001, 0x7F800001]),
)
def test_what_is_not_finite_is_refused(kind: str, values: NDArray[np.float32], places: list[int], bad: int) -> None:
    """Infinity and NaN of either sign, quiet or signaling, wherever they stand: each is counted on every target."""
    limit = min(LARGEST.get(kind, np.float32(1e38)), np.float32(1e38))
    bits = np.clip(values, -limit, limit).view(np.uint32)
    bits[places] = bad
    for backend in backends():
        with pytest.raises(UnrepresentableValues) as caught:
            _ours(kind, bits.view(np.float32), backend)
        assert caught.value.count == len(places)


@needs_kernels
def test_every_type_that_a_quantization_asks_for_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the table's types, boosts and fallbacks takes the slow way."""
    monkeypatch.setattr(kernels, "_by_libgguf", None)
    boosts = [boost for row in ROWS for boost in (row.values, row.ffn_down) if boost]
    both = {row.type for row in ROWS} | set(_FALLBACKS.values()) | {"Q6_K", "Q8_0"}
    for kind in both | {boost.type for boost in boosts if boost.imatrix is not True}:
        _ours(kind, DISTRIBUTIONS["normal"])
    for kind in both | {boost.type for boost in boosts if boost.imatrix is not False}:
        _ours(kind, DISTRIBUTIONS["normal"], importance=np.ones(256, np.float32))


def test_a_type_that_is_not_compiled() -> None:
    """libgguf does it."""
    values = DISTRIBUTIONS["normal"]
    assert (_ours("Q4_1", values) == _libggufs("Q4_1", values)).all()


@pytest.mark.parametrize("backend", backends())
@pytest.mark.parametrize("kind", ["Q8_0", "Q4_K", "F32"])
def test_half_precision_rows_are_read_directly(kind: str, backend: str) -> None:
    """F16 and BF16 at an odd address give the bytes of the same values in F32."""
    for source, dtype in (("F16", torch.float16), ("BF16", torch.bfloat16)):
        stored = torch.from_numpy(DISTRIBUTIONS["weights in F16"]).to(dtype)
        shifted = np.concatenate([np.zeros(1, np.uint8), stored.view(torch.uint8).numpy()])[1:]
        expected = _ours(kind, stored.float().numpy())
        out = np.zeros_like(expected)
        quantize_rows(kind, source, memoryview(shifted), len(out), 256, out, backend=backend)
        assert (out == expected).all()


@pytest.mark.parametrize("backend", backends())
@pytest.mark.parametrize(("source", "dtype"), [("F16", torch.float16), ("BF16", torch.bfloat16)])
def test_casts_of_every_half_are_torchs(source: str, dtype: torch.dtype, backend: str) -> None:
    """All finite codes, to all three types; those too large for F16 are left out."""
    codes = np.arange(1 << 16, dtype=np.uint16)
    for kind, to in (("F32", torch.float32), ("F16", torch.float16), ("BF16", torch.bfloat16)):
        values = torch.from_numpy(codes).view(dtype)
        chosen = values[torch.isfinite(values) & torch.isfinite(values.to(to))]
        given = chosen.view(torch.uint8).numpy()
        out = bytearray(row_bytes(kind, len(chosen)))
        quantize_rows(kind, source, given, 1, len(chosen), out, backend=backend)
        assert bytes(out) == chosen.to(to).view(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize("backend", backends())
@pytest.mark.parametrize("kind", ["F16", "BF16"])
def test_casts_of_float32_are_torchs(kind: str, backend: str) -> None:
    """Random bits and the borders: halfway between two codes, the largest, the smallest."""
    bits = np.random.default_rng(5).integers(0, 1 << 32, 1 << 16, dtype=np.uint32)
    halfway = (np.arange(1 << 16, dtype=np.uint32) << 16) + np.uint32(0x8000)
    steps = (np.arange(1 << 16, dtype=np.uint32) << 12) + np.uint32(0x33000000)
    values = np.concatenate([finite(np.concatenate([bits, halfway, steps])), np.float32([LARGEST[kind], 2.0**-149])])
    values = np.clip(values, -LARGEST[kind], LARGEST[kind]).astype(np.float32)
    out = bytearray(row_bytes(kind, len(values)))
    quantize_rows(kind, "F32", values, 1, len(values), out, backend=backend)
    dtype = {"F16": torch.float16, "BF16": torch.bfloat16}[kind]
    assert bytes(out) == torch.from_numpy(values).to(dtype).view(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize("backend", backends())
@pytest.mark.parametrize("blocks", [1, 3, 8, 9, 23])
def test_any_number_of_blocks(blocks: int, backend: str) -> None:
    """Fewer blocks than lanes or than a chunk; nothing behind the result is touched."""
    values = DISTRIBUTIONS["normal"][: 256 * blocks]
    for kind in BLOCKS:
        size = row_bytes(kind, 256) * blocks
        out = np.full(size + 64, 0xA5, np.uint8)
        quantize_rows(kind, "F32", values, blocks, 256, out[:size], backend=backend)
        assert (out[:size] == _libggufs(kind, values).reshape(-1)).all(), kind
        assert (out[size:] == 0xA5).all(), kind


@pytest.mark.parametrize("backend", backends())
@pytest.mark.parametrize("length", [1, 3, 15, 17, 2047, 2049])
def test_casts_of_any_length(length: int, backend: str) -> None:
    """A vector need not fill the lanes."""
    values = DISTRIBUTIONS["normal"][:length]
    for kind, expected in (("F16", values.astype(np.float16)), ("F32", values)):
        out = np.full(expected.nbytes + 64, 0xA5, np.uint8)
        quantize_rows(kind, "F32", values, 1, length, out[: expected.nbytes], backend=backend)
        assert out.tobytes() == expected.tobytes() + b"\xa5" * 64


@pytest.mark.parametrize("backend", backends())
@pytest.mark.parametrize("kind", ["Q4_K", "Q8_0", "F16", "BF16"])
def test_what_cannot_be_represented_is_counted(kind: str, backend: str) -> None:
    """Infinities and NaN from every source, and values that become infinite."""
    values = DISTRIBUTIONS["normal"].copy()
    values[[0, 300, 301, -1]] = [np.inf, -np.inf, np.nan, np.nan]
    has_limit = kind in LARGEST
    if has_limit:
        values[[500, 501]] = [np.nextafter(LARGEST[kind], np.float32(np.inf)), -LARGEST[kind]]
    with pytest.raises(UnrepresentableValues) as caught:
        _ours(kind, values, backend)
    assert caught.value.count == 4 + has_limit
    for source, dtype in (("F16", torch.float16), ("BF16", torch.bfloat16)):
        stored = torch.tensor([np.inf, -np.inf, np.nan, *[1.0] * 253]).to(dtype).view(torch.uint8).numpy()
        with pytest.raises(UnrepresentableValues) as caught:
            quantize_rows(kind, source, stored, 1, 256, bytearray(row_bytes(kind, 256)), backend=backend)
        assert caught.value.count == 3


@pytest.mark.parametrize(
    ("kind", "length", "values", "out"),
    [
        ("Q4_K", 256, 1023, bytearray(144)),
        ("Q4_K", 256, 1024, bytearray(145)),
        ("Q4_K", 256, 1024, bytes(144)),
        ("Q4_K", 128, 512, bytearray(72)),
        ("Q8_0", 0, 0, bytearray()),
        ("Q9_Z", 256, 1024, bytearray(144)),
    ],
)
def test_wrong_buffers_and_types(kind: str, length: int, values: int, out: bytes | bytearray) -> None:
    """A buffer that is too short, too long or read-only, a row that is no whole number of blocks, an unknown type."""
    with pytest.raises(ValueError, match=r"bytes|multiple|not a GGML type"):
        quantize_rows(kind, "F32", bytes(values), 1, length, out)


@needs_kernels
def test_other_threads_run_meanwhile() -> None:
    """The kernels do not hold the GIL."""
    values = np.tile(DISTRIBUTIONS["normal"], 60)
    begun = threading.Event()

    def work() -> None:
        begun.set()
        _ours("IQ4_NL", values, "plain")

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    turns = 0
    while thread.is_alive():
        turns += 1
    assert turns > 100


def test_sizes_are_ggufs() -> None:
    """A row's bytes agree with the gguf package for every type."""
    for kind in [*BLOCKS, *CASTS]:
        values, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
        assert row_bytes(kind, 512) == 512 // values * size
    assert backends()[-1] == FALLBACK


@pytest.fixture
def another_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A library that is there, but has other functions."""
    cached = kernels._library, kernels.backends
    monkeypatch.setattr(kernels, "LIBRARY", Path(_ctypes.__file__))
    for each in cached:
        each.cache_clear()
    yield
    for each in cached:
        each.cache_clear()


def test_a_library_of_other_sources(another_library: None) -> None:
    """It is not called: libgguf gives the bytes, as where nothing was compiled."""
    assert kernels.backends() == (FALLBACK,)
    values = DISTRIBUTIONS[min(DISTRIBUTIONS)]
    assert (_ours("Q4_K", values) == _libggufs("Q4_K", values)).all()
