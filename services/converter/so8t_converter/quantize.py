"""Quantizes an F16 GGUF in several processes; writes the same bytes as llama-quantize.

Metadata is copied; only general.quantization_version and general.file_type are replaced. Rows of a tensor
are independent of each other, so the bytes do not depend on which process quantized them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import libgguf
import numpy as np

from so8t_converter.kernels import row_bytes
from so8t_converter.mixture import TensorShape, Traits, target_types
from so8t_converter.quantize_worker import Job
from so8t_converter.worker_pool import WorkerPool
from so8t_shared.processor import usable_cores
from so8t_shared.tables.quantizations import BY_NAME, Quantization

_SET_ANEW = {"general.quantization_version", "general.file_type"}
_JOB_VALUES = 1 << 22
_LAYERS_OF_70B = 80


@dataclass(frozen=True)
class _Placed:
    """A tensor with its positions in both files."""

    tensor: TensorShape
    source_offset: int
    source_bytes: int
    type: str
    offset: int
    """Offset in the new file's data section."""
    bytes: int


def quantize(
    source: Path,
    target: Path,
    quantization: Quantization,
    on_tensor: Callable[[], None] = lambda: None,
    *,
    processes: int | None = None,
) -> dict[str, int]:
    """Quantize the F16 file `source` into `target`; return the number of tensors of each GGML type.

    `on_tensor` is called in this process after each tensor and may raise to stop, which ends the
    workers. Uses all usable cores unless `processes` is given.

    Raises:
        OSError: the target cannot be written.
    """
    file = libgguf.read_gguf_header(source)
    placed = _place(file, quantization)
    start = _write_header(file, target, placed, quantization)
    with target.open("r+b") as out:
        out.truncate(start + sum(_padded(item.bytes) for item in placed))
        for item in placed:
            if item.type == item.tensor.type:
                out.seek(start + item.offset)
                out.write(file.read_tensor_bytes(item.tensor.name))
                on_tensor()
    jobs = [(item.tensor.name, job) for item in placed for job in _jobs(item, start)]
    _run(source, target, jobs, processes or usable_cores(), on_tensor)
    return dict(Counter(item.type for item in placed))


def _run(
    source: Path, target: Path, jobs: list[tuple[str, Job]], processes: int, on_tensor: Callable[[], None]
) -> None:
    left = Counter(name for name, _ in jobs)
    arguments = [str(source), str(target)]
    with WorkerPool("so8t_converter.quantize_worker", arguments, min(processes, len(jobs))) as pool:
        for place in pool.answers([job for _, job in jobs]):
            name = jobs[place][0]
            left[name] -= 1
            if not left[name]:
                on_tensor()


def _place(file: Any, quantization: Quantization) -> list[_Placed]:
    """Return all tensors in the order of the new file."""
    sources = {tensor.name: tensor for tensor in file.tensors}
    shapes = {name: TensorShape(name, tuple(reversed(tensor.shape)), tensor.qtype) for name, tensor in sources.items()}
    types = target_types(list(shapes.values()), quantization, _traits(file))
    placed: list[_Placed] = []
    offset = 0
    for name, kind in types.items():
        *rows, length = shapes[name].shape
        size = math.prod(rows) * row_bytes(kind, length)
        source = sources[name]
        placed.append(_Placed(shapes[name], source.data_offset, source.nbytes, kind, offset, size))
        offset += _padded(size)
    return placed


def _jobs(item: _Placed, start: int) -> Iterator[Job]:
    """Yield the tensor's rows in pieces of about 16 MiB of float32; nothing for a tensor that is only copied."""
    if item.type == item.tensor.type:
        return
    length = item.tensor.shape[-1]
    rows = item.source_bytes // row_bytes(item.tensor.type, length)
    step = max(1, _JOB_VALUES // length)
    for first in range(0, rows, step):
        yield Job(
            source_offset=item.source_offset + first * row_bytes(item.tensor.type, length),
            target_offset=start + item.offset + first * row_bytes(item.type, length),
            rows=min(step, rows - first),
            length=length,
            source_type=item.tensor.type,
            target_type=item.type,
        )


def _traits(file: Any) -> Traits:
    """Return the model's traits; 70B is 80 layers of Qwen2, or of a Llama whose query heads share value heads.

    Source: llama.cpp, src/llama-model.cpp, load_hparams.
    """
    architecture = file.metadata["general.architecture"].value

    def count(key: str) -> int:
        return int(file.metadata[f"{architecture}.{key}"].value)

    heads = count("attention.head_count")
    named = f"{architecture}.attention.head_count_kv" in file.metadata
    shared = heads // count("attention.head_count_kv") if named else 1
    large = architecture == "qwen2" or (architecture == "llama" and shared > 1)
    return Traits(is_70b=large and count("block_count") == _LAYERS_OF_70B, heads_per_value=shared)


def _write_header(file: Any, target: Path, placed: list[_Placed], quantization: Quantization) -> int:
    """Write everything before the tensor data; return the offset where the data begins.

    Like llama-quantize, writes the source's keys in order, then the two replaced keys.
    """
    writer = gguf.GGUFWriter(target, file.metadata["general.architecture"].value)
    for key, item in file.metadata.items():
        if key not in _SET_ANEW and key != "general.architecture":
            kind = gguf.GGUFValueType(item.raw_type)
            inner = None if item.raw_array_type is None else gguf.GGUFValueType(item.raw_array_type)
            writer.add_key_value(key, item.value, kind, inner)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_file_type(BY_NAME[quantization].file_type)
    for item in placed:
        kind = gguf.GGMLQuantizationType[item.type]
        writer.add_tensor_info(item.tensor.name, item.tensor.shape, np.dtype(np.float32), item.bytes, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    return _padded(target.stat().st_size)


def _padded(size: int) -> int:
    alignment = int(gguf.GGUF_DEFAULT_ALIGNMENT)
    return -(-size // alignment) * alignment
