"""The layout of one GGUF file: its header, and each tensor's type and offset, before any value is read."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from so8t_converter.kernels import row_bytes
from so8t_converter.mixture import TensorShape, Traits, target_types
from so8t_converter.plan import Plan
from so8t_shared.tables.quantizations import BASE, BY_NAME, Quantization, Row

_ARCHITECTURE = "general.architecture"
_FILE_TYPE = "general.file_type"
_SET_ANEW = {"general.quantization_version", _FILE_TYPE}
_LAYERS_OF_70B = 80


@dataclass(frozen=True)
class Placed:
    """One tensor's place in a file."""

    base: str
    """The type that its values are rounded to first."""
    type: str
    offset: int
    size_bytes: int

    @property
    def end(self) -> int:
        """Where the tensor ends, and its padding with it."""
        return _padded(self.offset + self.size_bytes)


@dataclass(frozen=True)
class Layout:
    """A file whose header is written."""

    tensors: Mapping[str, Placed]
    size_bytes: int

    @property
    def tensors_start(self) -> int:
        """Where the header ends, and its padding with it."""
        return min((placed.offset for placed in self.tensors.values()), default=self.size_bytes)

    @cached_property
    def ends(self) -> dict[int, int]:
        """Where the padding behind each tensor ends, by where the tensor ends."""
        return {placed.offset + placed.size_bytes: placed.end for placed in self.tensors.values()}

    @property
    def types(self) -> dict[str, int]:
        """Number of tensors of each GGML type, sorted."""
        return dict(sorted(Counter(placed.type for placed in self.tensors.values()).items()))


def write_header(plan: Plan, quantization: Quantization, target: Path) -> Layout:
    """Write everything before the tensors' bytes to `target`; return where those go.

    A file from the checkpoint has the converter's order of keys and tensors; the others have llama-quantize's, which
    appends the two keys that it sets.

    Raises:
        ValueError: a value does not fit its key's type.
    """
    row = BY_NAME[quantization]
    shapes = {tensor.name: TensorShape(tensor.name, tensor.shape, tensor.type) for tensor in plan.tensors}
    traits = _traits(plan.metadata, has_imatrix=plan.importance is not None)
    types = target_types(list(shapes.values()), quantization, traits)
    order = list(shapes) if row.from_checkpoint else list(types)
    bases = {name: _base(row, shape) for name, shape in shapes.items()}
    if row.from_checkpoint:
        types = bases
    writer = gguf.GGUFWriter(target, plan.metadata[_ARCHITECTURE].value)
    _add_keys(writer, plan, row)
    sizes: dict[str, int] = {}
    for name in order:
        *_, length = shape = shapes[name].shape or (1,)
        sizes[name] = int(np.prod(shape[:-1], dtype=np.int64)) * row_bytes(types[name], length)
        kind = gguf.GGMLQuantizationType[types[name]]
        writer.add_tensor_info(name, shapes[name].shape, np.dtype(np.float32), sizes[name], kind)
    _write(writer)
    end = _padded(target.stat().st_size)
    placed = {}
    for name in order:
        placed[name] = Placed(bases[name], types[name], end, sizes[name])
        end = placed[name].end
    return Layout(placed, end)


def _base(row: Row, tensor: TensorShape) -> str:
    return row.type if row.from_checkpoint and tensor.type == BY_NAME[BASE].type else tensor.type


def _add_keys(writer: Any, plan: Plan, row: Row) -> None:
    for key, item in plan.metadata.items():
        if key == _FILE_TYPE and row.from_checkpoint:
            writer.add_file_type(row.file_type)
        elif key != _ARCHITECTURE and (row.from_checkpoint or key not in _SET_ANEW):
            writer.add_key_value(key, item.value, item.type, item.sub_type)
    if not row.from_checkpoint:
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        writer.add_file_type(row.file_type)
        for key, (value, kind) in (plan.importance.metadata() if plan.importance else {}).items():
            writer.add_key_value(key, value, kind)


def _write(writer: Any) -> None:
    writer.write_header_to_file()
    try:
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
    except (struct.error, TypeError) as error:
        raise ValueError(str(error)) from error
    finally:
        writer.close()


def _traits(metadata: Mapping[str, Any], *, has_imatrix: bool) -> Traits:
    """Return the model's traits; 70B is 80 layers of Qwen2, or of a Llama whose query heads share value heads.

    Source: llama.cpp, src/llama-model.cpp, load_hparams.
    """
    architecture = metadata[_ARCHITECTURE].value

    def count(key: str) -> int:
        return int(metadata[f"{architecture}.{key}"].value)

    heads = count("attention.head_count")
    named = f"{architecture}.attention.head_count_kv" in metadata
    shared = heads // count("attention.head_count_kv") if named else 1
    large = architecture == "qwen2" or (architecture == "llama" and shared > 1)
    return Traits(large and count("block_count") == _LAYERS_OF_70B, shared, has_imatrix)


def _padded(size: int) -> int:
    alignment = int(gguf.GGUF_DEFAULT_ALIGNMENT)
    return -(-size // alignment) * alignment
