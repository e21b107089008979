"""Quantizes and casts rows by the compiled kernels, or by libgguf where they were not compiled; the same bytes.

The kernels (services/converter/kernels) write ggml's bytes many times faster and release the GIL. Every type that a
quantization can ask for is in them. `backends()` names what this machine can run, fastest first.

With SO8T_QUANTIZE_ON=cuda, torch quantizes on a GPU; the bytes stay the same.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from mmap import mmap
from pathlib import Path
from typing import Any

import libgguf
import numpy as np
from numpy.typing import NDArray

from so8t_shared.errors import ConfigError

Buffer = bytes | bytearray | memoryview | mmap | NDArray[Any]
"""Contiguous bytes, whatever the type of their items."""

LIBRARY = Path(__file__).with_name("libkernels.so")
"""Placed here by services/converter/kernels/build.py."""

FALLBACK = "libgguf"
DEVICE = "SO8T_QUANTIZE_ON"
"""Environment variable that names a device of torch, which then quantizes: cuda, or cpu to compare."""

TORCH = "torch:"
_UNKNOWN = -1
SOURCES = {"F32": 4, "F16": 2, "BF16": 2}
"""Bytes per value of the types that can be read."""
_LIMITS = {"F16": 0x477FF000, "BF16": 0x7F7F8000}
"""Bits of the smallest magnitude that rounds to infinity; for the other types, infinity itself."""


class UnrepresentableValues(ValueError):
    """Values are infinite, NaN, or too large for the type."""

    def __init__(self, count: int, kind: str) -> None:
        super().__init__(f"{count} values are infinite, NaN, or too large for {kind}")
        self.count = count


def row_bytes(kind: str, length: int) -> int:
    """Return the size of a row of `length` values of this GGML type.

    Raises:
        ValueError: the type is unknown, or its blocks do not divide the row.
    """
    block, size = libgguf.GGML_QUANT_SIZES[_number(kind)]
    if length <= 0 or length % block:
        raise ValueError(f"{length} values per row are not a positive multiple of {kind}'s blocks of {block}")
    return int(length // block * size)


def quantize_rows(
    kind: str,
    source: str,
    values: Buffer,
    rows: int,
    length: int,
    out: Buffer,
    importance: NDArray[np.float32] | None = None,
    *,
    backend: str | None = None,
) -> None:
    """Write `rows` rows of `length` values as GGML type `kind` into `out`, without copies.

    `values` holds the rows back to back as F32, F16 or BF16 (`source`) at any alignment; `out` is a writable buffer of
    rows * row_bytes(kind, length) bytes. `importance` is the importance matrix of a row, [length], which all rows
    share. Several threads can call it at once. `backend` is one of backends(), by default the fastest, or "torch:" and
    a device, which only quantizes without an importance matrix.

    Raises:
        ValueError: an unknown type, or a buffer of the wrong size.
        UnrepresentableValues: some values are not finite or become infinite; what is in `out` is then undefined.
    """
    given, written = np.frombuffer(values, np.uint8), np.frombuffer(out, np.uint8)
    expected = rows * length * SOURCES[source], rows * row_bytes(kind, length)
    if (given.size, written.size) != expected or not written.flags.writeable:
        raise ValueError(f"{rows} rows take {expected} bytes, the second writable, not {given.size, written.size}")
    if importance is not None and (importance.shape != (length,) or importance.dtype != np.float32):
        raise ValueError(f"the importance matrix is {importance.dtype}{[*importance.shape]}, not float32[{length}]")
    on_device = device() and kind not in SOURCES and importance is None
    name = backend or (f"{TORCH}{device()}" if on_device else backends()[0])
    refused = _UNKNOWN
    if name.startswith(TORCH):
        from so8t_converter.torch_kernels import KINDS, quantize_on

        if kind in KINDS:
            refused = quantize_on(name.removeprefix(TORCH), kind, source, given, written)
    elif name != FALLBACK:
        place = backends().index(name)
        numbers = int(_number(kind)), int(_number(source))
        weights = None if importance is None else np.ascontiguousarray(importance)
        matrix = None if weights is None else weights.ctypes.data, length
        given_values = given.ctypes.data, rows * length
        refused = _library().so8t_weighted_rows(place, *numbers, *given_values, *matrix, written.ctypes.data)
    if refused == _UNKNOWN:
        refused = _by_libgguf(kind, source, given, rows, length, written, importance)
    if refused:
        raise UnrepresentableValues(refused, kind)


@cache
def backends() -> tuple[str, ...]:
    """Return the kernels' targets that this processor runs, fastest first, and the fallback."""
    library = _library()
    names: list[str] = []
    while library is not None and (name := library.so8t_target(len(names))):
        names.append(name.decode())
    return (*names, FALLBACK)


@cache
def device() -> str:
    """Return the device of torch that is to quantize, "" for none.

    Raises:
        ConfigError: it is not there.
    """
    name = os.environ.get(DEVICE, "")
    if name:
        from so8t_converter.torch_kernels import has_device

        if not has_device(name):
            raise ConfigError(
                f"torch cannot compute on {name!r}.",
                where=f"environment variable {DEVICE}",
                remedy="unset it to use the processor, or install a build of torch for your GPU",
            )
    return name


@cache
def _library() -> Any:
    """Return the compiled kernels, or None where there are none for this system."""
    try:
        library = ctypes.CDLL(str(LIBRARY))
        run, target = library.so8t_weighted_rows, library.so8t_target
    except (OSError, AttributeError):  # not compiled, or from older sources
        return None
    pointer, number, size = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
    run.restype, run.argtypes = size, [number, number, number, pointer, size, pointer, size, pointer]
    target.restype = ctypes.c_char_p
    return library


def _by_libgguf(
    kind: str,
    source: str,
    given: NDArray[np.uint8],
    rows: int,
    length: int,
    written: NDArray[np.uint8],
    importance: NDArray[np.float32] | None,
) -> int:
    """Quantize by libgguf; return how many values cannot be represented."""
    floats = _floats(source, given)
    bits = floats.view(np.uint32) & np.uint32(0x7FFFFFFF)
    refused = int(np.count_nonzero(bits >= _LIMITS.get(kind, 0x7F800000)))
    if not refused:
        libgguf.quantize_rows_into_raw(_number(kind), floats, written, rows, length, importance)
    return refused


def _floats(source: str, given: NDArray[np.uint8]) -> NDArray[np.float32]:
    if source == "BF16":
        return (given.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    return given.view({"F32": np.float32, "F16": np.float16}[source]).astype(np.float32)


def _number(kind: str) -> Any:
    try:
        return libgguf.GGMLQuantizationType[kind]
    except KeyError:
        raise ValueError(f"{kind} is not a GGML type") from None
