"""What a conversion writes: the metadata, and every tensor with its shape and where its values come from."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from so8t_converter.imatrix import ImportanceMatrix

Bytes = NDArray[np.uint8]


Reader = Callable[[int, int], Bytes]
"""Takes an offset and a size in bytes; returns those bytes of a tensor's contiguous values."""


class Source(Protocol):
    """Where a tensor's values come from."""

    @property
    def type(self) -> str:
        """F32, F16 or BF16."""
        ...

    def reader(self) -> Reader:
        """What reads the values, to be dropped after use: it may hold them."""
        ...


@dataclass(frozen=True)
class Stored:
    """A tensor of the checkpoint."""

    type: str
    """safetensors' name, for example BF16."""
    path: Path
    offset: int
    size_bytes: int

    def reader(self) -> Reader:
        """Map parts of the file; what is mapped counts as memory only while it is used, however large the tensor."""
        return self._map

    def _map(self, start: int, size_bytes: int) -> Bytes:
        if not size_bytes:
            return np.empty(0, np.uint8)
        return np.memmap(self.path, np.uint8, "r", self.offset + start, size_bytes)

    def values(self) -> NDArray[Any]:
        """Return the values as float16 if stored so, else as float32."""
        stored = self._map(0, self.size_bytes)
        if self.type == "BF16":
            return (stored.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
        types = {"F16": np.float16, "F32": np.float32, "F64": np.float64}
        values = stored.view(types[self.type])
        return values.astype(np.float32) if self.type == "F64" else values


@dataclass(frozen=True)
class Computed:
    """A tensor that is computed from the checkpoint's, in float32."""

    compute: Callable[[], NDArray[np.float32]]
    type: str = "F32"

    def reader(self) -> Reader:
        """Compute the values, and hold them."""
        values = np.ascontiguousarray(self.compute(), np.float32).reshape(-1).view(np.uint8)
        return lambda start, size_bytes: values[start : start + size_bytes]


@dataclass(frozen=True)
class Tensor:
    """A tensor as GGUF names it."""

    name: str
    shape: tuple[int, ...]
    """Rows first, row length last."""
    type: str
    """Its type in the F16 file, F16 or F32."""
    source: Source

    @property
    def length(self) -> int:
        """Values in a row."""
        return self.shape[-1] if self.shape else 1

    @property
    def rows(self) -> int:
        return math.prod(self.shape[:-1])


@dataclass(frozen=True)
class Plan:
    """A model's metadata and tensors, both in the order of the F16 file."""

    metadata: Mapping[str, Any]
    """GGUFValues of the F16 file by key."""
    tensors: tuple[Tensor, ...]
    where: str
    """What an error names as the source."""
    importance: ImportanceMatrix | None = None
    """Guides the quantized files."""
