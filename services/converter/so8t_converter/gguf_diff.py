"""Compares two GGUF files: metadata key by key, tensors block by block."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import gguf
import numpy as np

from so8t_shared.errors import IntegrityError
from so8t_shared.gguf_info import shown_tensor, shown_value
from so8t_shared.models.gguf_file import GgufHeader, Tensor, Value, read_header
from so8t_shared.progress import Progress, no_progress
from so8t_shared.results.gguf import GgufDiff, KeyDifference, TensorDifference
from so8t_shared.tables.ggml_types import Row

_CHUNK_VALUES = 1 << 20
"""Values compared at once; a multiple of every block's."""
_CHUNK_BYTES = 1 << 22


def diff(a: Path, b: Path, progress: Progress = no_progress) -> GgufDiff:
    """Compare two files; `progress` is called after every tensor and may raise to stop.

    Raises:
        InputError: a file is missing or is no GGUF file.
        IntegrityError: a file is damaged, or was shortened meanwhile.
    """
    headers = read_header(a), read_header(b)
    with a.open("rb") as file_a, b.open("rb") as file_b:
        sides = _Side(headers[0], file_a), _Side(headers[1], file_b)
        keys = _united(*(header.metadata for header in headers))
        names = _united(*(header.tensors for header in headers))
        other_keys = [found for key in keys if (found := _key(key, *sides))]
        other_tensors: list[TensorDifference] = []
        for done, name in enumerate(names, start=1):
            if tensor := _tensor(name, *sides):
                other_tensors.append(tensor)
            progress(done, len(names), name)
    return GgufDiff(
        a=str(a),
        b=str(b),
        equal=not other_keys and not other_tensors,
        keys_equal=len(keys) - len(other_keys),
        tensors_equal=len(names) - len(other_tensors),
        keys=other_keys,
        tensors=other_tensors,
    )


@dataclass(frozen=True)
class _Side:
    header: GgufHeader
    file: BinaryIO

    def read(self, start: int, size: int) -> bytes:
        self.file.seek(start)
        data = self.file.read(size)
        if len(data) < size:
            raise IntegrityError(
                "The file became shorter while it was read.", where=str(self.header.path), remedy="compare again"
            )
        return data

    def values(self, tensor: Tensor, first: int, count: int) -> Any:
        """`count` values from the `first` on, as blocks of bytes [blocks, bytes per block]."""
        kind = tensor.type
        data = self.read(tensor.start + first // kind.values * kind.size_bytes, count // kind.values * kind.size_bytes)
        return np.frombuffer(data, np.uint8).reshape(-1, kind.size_bytes)


def _united(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys([*a, *b]))


def _key(key: str, a: _Side, b: _Side) -> KeyDifference | None:
    left, right = a.header.metadata.get(key), b.header.metadata.get(key)
    if left and right and _same(left, right, a, b):
        return None
    return KeyDifference(key=key, a=left and shown_value(left), b=right and shown_value(right))


def _same(left: Value, right: Value, a: _Side, b: _Side) -> bool:
    if (left.type, left.count, left.size_bytes) != (right.type, right.count, right.size_bytes):
        return False
    return all(
        a.read(left.start + done, size) == b.read(right.start + done, size)
        for done, size in _chunks(left.size_bytes, _CHUNK_BYTES)
    )


def _chunks(total: int, step: int) -> Iterator[tuple[int, int]]:
    return ((done, min(step, total - done)) for done in range(0, total, step))


def _tensor(name: str, a: _Side, b: _Side) -> TensorDifference | None:
    left, right = a.header.tensors.get(name), b.header.tensors.get(name)
    pair = {"name": name, "a": left and shown_tensor(left), "b": right and shown_tensor(right)}
    if not left or not right or left.shape != right.shape:
        return TensorDifference(**pair)
    if left.type != right.type:
        return TensorDifference(**pair, largest_difference=_other_types(left, right, a, b))
    differing, largest = _same_types(left, right, a, b)
    if not differing:
        return None
    blocks = left.values // left.type.values
    return TensorDifference(**pair, blocks=blocks, blocks_differing=differing, largest_difference=largest)


def _same_types(left: Tensor, right: Tensor, a: _Side, b: _Side) -> tuple[int, float | None]:
    """Number of blocks that differ, and the largest difference of two weights in them."""
    differing, largest = 0, _Largest()
    for first, count in _chunks(left.values, _CHUNK_VALUES):
        blocks = a.values(left, first, count), b.values(right, first, count)
        other = (blocks[0] != blocks[1]).any(axis=1)
        if found := int(other.sum()):
            differing += found
            largest.add(blocks[0][other], left.type, blocks[1][other], right.type)
    return differing, largest.value


def _other_types(left: Tensor, right: Tensor, a: _Side, b: _Side) -> float | None:
    largest = _Largest()
    for first, count in _chunks(left.values, _CHUNK_VALUES):
        largest.add(a.values(left, first, count), left.type, b.values(right, first, count), right.type)
    return largest.value


class _Largest:
    """The largest difference so far; None once one is undefined or infinite."""

    def __init__(self) -> None:
        self.value: float | None = 0.0

    def add(self, a: Any, type_a: Row, b: Any, type_b: Row) -> None:
        if self.value is None:
            return
        try:
            weights = _dequantized(a, type_a), _dequantized(b, type_b)
        except NotImplementedError:  # types without weights, such as I8, and a few rare ones
            self.value = None
            return
        with np.errstate(all="ignore"):
            found = float(np.abs(weights[0] - weights[1]).max(initial=0.0))
        self.value = max(self.value, found) if math.isfinite(found) else None


def _dequantized(blocks: Any, kind: Row) -> Any:
    weights = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType[kind.name])
    return weights.reshape(-1).astype(np.float64)
