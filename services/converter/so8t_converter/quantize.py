"""F16 GGUF to Q8_0 or Q4_K_M: the same bytes as llama-quantize writes, made by several processes.

Metadata is copied byte by byte; only general.quantization_version and general.file_type are set anew.
The rows of a tensor do not depend on each other, so the bytes do not depend on who did which.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf

from so8t_converter.mixture import TensorShape, target_types
from so8t_converter.quantize_worker import Job
from so8t_converter.worker_pool import WorkerPool, free_processors
from so8t_shared.config.model import Quantization

FILE_TYPES = {
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
    "q4_k_m": gguf.LlamaFileType.MOSTLY_Q4_K_M,
}
_JOB_VALUES = 1 << 22


@dataclass(frozen=True)
class _Placed:
    """A tensor with its places in both files."""

    tensor: TensorShape
    source_offset: int
    source_bytes: int
    type: str
    offset: int
    """In the new file's data section."""
    bytes: int


def quantize(
    source: Path,
    target: Path,
    quantization: Quantization,
    on_tensor: Callable[[], None] = lambda: None,
    *,
    processes: int | None = None,
) -> dict[str, int]:
    """Quantise the F16 file `source` into `target`; the number of tensors of each GGML type.

    `on_tensor` is called in this process after each tensor and may raise to stop; the workers are
    ended then. Uses all free processors unless `processes` says how many.

    Raises:
        OSError: the target cannot be written.
    """
    reader = gguf.GGUFReader(source)
    placed = _place(reader, quantization)
    header = _header(reader, quantization) + b"".join(_tensor_info(item) for item in placed)
    start = _padded(len(header))
    size = start + sum(_padded(item.bytes) for item in placed)
    with target.open("wb") as file:
        file.write(header)
        file.truncate(size)
        for item in placed:
            if item.type == item.tensor.type:
                file.seek(start + item.offset)
                file.write(reader.data[item.source_offset : item.source_offset + item.source_bytes])
                on_tensor()
    jobs = [(item.tensor.name, job) for item in placed for job in _jobs(item, start)]
    _run(source, target, jobs, processes or free_processors(), on_tensor)
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


def _place(reader: Any, quantization: Quantization) -> list[_Placed]:
    """All tensors in the order of the new file."""
    sources = {tensor.name: tensor for tensor in reader.tensors}
    shapes = [
        TensorShape(tensor.name, tuple(int(n) for n in reversed(tensor.shape)), tensor.tensor_type.name)
        for tensor in reader.tensors
    ]
    by_name = {shape.name: shape for shape in shapes}
    placed: list[_Placed] = []
    offset = 0
    types = target_types(shapes, quantization, grouped_heads=_has_grouped_heads(reader))
    for name, kind in types.items():
        source = sources[name]
        size = _row_bytes(kind, by_name[name].shape[-1]) * (source.n_elements // by_name[name].shape[-1])
        placed.append(_Placed(by_name[name], int(source.data_offset), int(source.n_bytes), kind, offset, int(size)))
        offset += _padded(int(size))
    return placed


def _jobs(item: _Placed, start: int) -> Iterator[Job]:
    """The tensor's rows in pieces of about 16 MiB of float32; none for one that is only copied."""
    if item.type == item.tensor.type:
        return
    length = item.tensor.shape[-1]
    rows = item.source_bytes // _row_bytes(item.tensor.type, length)
    step = max(1, _JOB_VALUES // length)
    for first in range(0, rows, step):
        yield Job(
            source_offset=item.source_offset + first * _row_bytes(item.tensor.type, length),
            target_offset=start + item.offset + first * _row_bytes(item.type, length),
            rows=min(step, rows - first),
            length=length,
            source_type=item.tensor.type,
            target_type=item.type,
        )


def _row_bytes(kind: str, length: int) -> int:
    values, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
    return int(length // values * size)


def _has_grouped_heads(reader: Any) -> bool:
    architecture = reader.fields["general.architecture"].contents()
    heads = reader.fields[f"{architecture}.attention.head_count"].contents()
    kv_heads = reader.fields[f"{architecture}.attention.head_count_kv"].contents()
    return bool(architecture == "llama" and heads != kv_heads)


def _header(reader: Any, quantization: Quantization) -> bytes:
    """Everything before the tensor list: the source's bytes, with two keys at the end set anew."""
    set_anew = {
        "general.quantization_version": gguf.GGML_QUANT_VERSION,
        "general.file_type": int(FILE_TYPES[quantization]),
    }
    fields = [field for name, field in reader.fields.items() if not name.startswith("GGUF.")]
    kept = [field for field in fields if field.name not in set_anew]
    magic_and_version = bytes(reader.data[:8])
    counts = struct.pack("<QQ", len(reader.tensors), len(kept) + len(set_anew))
    parts = [magic_and_version, counts]
    parts += [bytes(reader.data[field.offset : _end(field)]) for field in kept]
    parts += [_string(name) + struct.pack("<II", gguf.GGUFValueType.UINT32, n) for name, n in set_anew.items()]
    return b"".join(parts)


def _end(field: Any) -> int:
    return int(field.offset + sum(part.nbytes for part in field.parts))


def _tensor_info(item: _Placed) -> bytes:
    shape = tuple(reversed(item.tensor.shape))
    kind = int(gguf.GGMLQuantizationType[item.type])
    return (
        _string(item.tensor.name)
        + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        + struct.pack("<IQ", kind, item.offset)
    )


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _padded(size: int) -> int:
    alignment = int(gguf.GGUF_DEFAULT_ALIGNMENT)
    return -(-size // alignment) * alignment
