"""Importance matrices: how much each column of a weight matters, as llama.cpp's imatrix tool measures and stores it.

An entry is the mean of the squares of what a linear layer was given, column by column. Source: llama.cpp,
tools/imatrix/imatrix.cpp, common/imatrix-loader.cpp and tools/quantize/quantize.cpp.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from so8t_shared.errors import InputError, IntegrityError
from so8t_shared.models.gguf_file import GgufHeader, read_header

Floats = NDArray[np.float32]
_SUMS, _COUNTS = ".in_sum2", ".counts"
_DATASETS, _CHUNKS, _CHUNK_SIZE = (
    gguf.Keys.IMatrix.DATASETS,
    gguf.Keys.IMatrix.CHUNK_COUNT,
    gguf.Keys.IMatrix.CHUNK_SIZE,
)
_MOST_BYTES = 1 << 30
"""Of the old form, which is read whole; a model of 400 billion weights has a quarter of this."""
_LONGEST = 127
"""Bytes of a text that llama-quantize copies into the file that it writes."""
_MEASURED_ON = (".txt", ".jsonl")
"""Endings of a text, and of rows as training writes them."""
_MAY_DIFFER = "token_embd.weight"
"""The tensor whose entry llama-quantize ignores if it does not fit."""


@dataclass(frozen=True)
class ImportanceMatrix:
    """A matrix as llama-quantize uses it."""

    name: str
    """Name of its file."""
    values: Mapping[str, Floats]
    """Mean squares by the tensor's name in GGUF."""
    datasets: tuple[str, ...] = ()
    """What it was measured on."""
    chunks: int = 0
    where: str = ""
    """Its path, for messages."""

    def metadata(self) -> dict[str, tuple[Any, gguf.GGUFValueType]]:
        """Return the keys that llama-quantize writes, in its order."""
        text, number = gguf.GGUFValueType.STRING, gguf.GGUFValueType.UINT32
        keys: dict[str, tuple[Any, gguf.GGUFValueType]] = {"quantize.imatrix.file": (_cut(self.name), text)}
        if self.datasets:
            keys["quantize.imatrix.dataset"] = (_cut(self.datasets[0]), text)
        keys["quantize.imatrix.entries_count"] = (len(self.values), number)
        if self.chunks > 0:
            keys["quantize.imatrix.chunks_count"] = (self.chunks, number)
        return keys

    def fitting(self, lengths: Mapping[str, int]) -> ImportanceMatrix:
        """Return the matrix for weights of these row lengths.

        Raises:
            InputError: it belongs to another model.
        """
        wrong = [
            f"{name} has {values.size} columns instead of {lengths[name]}"
            for name, values in self.values.items()
            if name in lengths and values.size != lengths[name] and name != _MAY_DIFFER
        ]
        if not self.values.keys() & lengths.keys():
            wrong = ["it names none of this model's tensors"]
        if wrong:
            raise InputError(
                f"This importance matrix belongs to another model: {wrong[0]}.",
                where=self.where or self.name,
                remedy="have one measured on this model: name a text (.txt), or, in a configuration, prompts",
            )
        return self

    def of(self, tensor: str, length: int) -> Floats | None:
        """Return the importance of a row's values, [length], or None if it is unknown."""
        found = self.values.get(tensor)
        return found if found is not None and found.size == length else None


def _cut(text: str) -> str:
    return text.encode()[:_LONGEST].decode(errors="ignore")


@dataclass(frozen=True)
class Sums:
    """What was added up for one tensor: the squares of each column, over `rows` rows."""

    squares: Floats
    rows: int


def is_measured_on(path: Path) -> bool:
    """Whether it is a text, or rows, to measure a matrix on, instead of one."""
    return path.suffix.lower() in _MEASURED_ON


def refuse_gates(folder: Path, has_gates: bool) -> None:
    """Refuse to measure a matrix on a checkpoint that transformers cannot run.

    Raises:
        InputError: it has SO8T gates.
    """
    if has_gates:
        raise InputError(
            "No importance matrix can be measured on a checkpoint whose SO8T gates are not folded.",
            where=str(folder),
            remedy="convert it to F16 first, and make a matrix of that file with llama-imatrix",
        )


class _Writer(gguf.GGUFWriter):  # type: ignore[misc]
    """An imatrix file has no architecture."""

    def add_architecture(self) -> None: ...


def write_imatrix(path: Path, sums: Mapping[str, Sums], datasets: Sequence[str], chunk_size: int) -> None:
    """Write llama.cpp's GGUF form, sorted by name; at least one data set must be named, as its readers demand."""
    writer = _Writer(path, "")
    writer.add_type(gguf.GGUFType.IMATRIX)
    writer.add_array(_DATASETS, list(datasets))
    writer.add_uint32(_CHUNKS, max((entry.rows for entry in sums.values()), default=0) // chunk_size)
    writer.add_uint32(_CHUNK_SIZE, chunk_size)
    for name, entry in sorted(sums.items()):
        writer.add_tensor(name + _SUMS, entry.squares[None].astype(np.float32))
        writer.add_tensor(name + _COUNTS, np.full((1, 1), entry.rows, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def read_imatrix(path: Path) -> ImportanceMatrix:
    """Read either form: GGUF, or the old one, which has no magic number.

    Raises:
        InputError: it is no importance matrix, is truncated or damaged, or holds what no mean square can be.
    """
    try:
        with path.open("rb") as file:
            is_gguf = file.read(4) == b"GGUF"
        found = _from_gguf(path) if is_gguf else _from_old_form(path)
    except IntegrityError as error:
        raise _refusal(path, error.what) from error
    except struct.error as error:
        raise _refusal(path, "it ends too early") from error
    except (ValueError, OSError) as error:
        raise _refusal(path, str(error)) from error
    found = replace(found, where=str(path))
    bad = [name for name, values in found.values.items() if not (np.isfinite(values) & (values >= 0)).all()]
    if bad or not found.values:
        raise _refusal(path, f"{bad[0]} has a negative, infinite or NaN mean square" if bad else "it has no entries")
    return found


def _refusal(path: Path, why: str) -> InputError:
    remedy = "make it again with llama-imatrix, or name a text file (.txt) to measure one on"
    return InputError(f"This is not an importance matrix ({why}).", where=str(path), remedy=remedy)


def _from_gguf(path: Path) -> ImportanceMatrix:
    header = read_header(path)
    missing = [key for key in (_DATASETS, _CHUNKS, _CHUNK_SIZE) if key not in header.metadata]
    if missing:
        raise ValueError(f"it lacks {', '.join(missing)}")
    values = {}
    for name in header.tensors:
        if name.endswith(_SUMS):
            stem = name.removesuffix(_SUMS)
            values[stem] = _means(_floats(header, name), _floats(header, stem + _COUNTS))
    datasets = header.metadata[_DATASETS].value
    names = tuple(datasets) if isinstance(datasets, list | tuple) else ()
    return ImportanceMatrix(path.name, values, names, int(header.metadata[_CHUNKS].value))


def _means(sums: Floats, counts: Floats) -> Floats:
    """Return the mean squares; an expert that saw nothing counts as 1."""
    if not counts.size or sums.size % counts.size:
        raise ValueError("sums and counts differ in size")
    rows, counted = sums.reshape(counts.size, -1), np.rint(counts)[:, None]
    with np.errstate(all="ignore"):
        return np.where(counted > 0, rows / counted, np.float32(1)).astype(np.float32).reshape(-1)


def _floats(header: GgufHeader, name: str) -> Floats:
    tensor = header.tensors.get(name)
    if tensor is None or tensor.type.name != "F32":
        raise ValueError(f"it has no F32 tensor {name}")
    return np.fromfile(header.path, np.float32, tensor.values, offset=tensor.start)


def _from_old_form(path: Path) -> ImportanceMatrix:
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError("it is too large")
    data = path.read_bytes()
    count, at = _number(data, 0), 4
    values: dict[str, Floats] = {}
    for _ in range(count):
        name, at = _text(data, at)
        calls, size, at = _number(data, at), _number(data, at + 4), at + 8
        if size < 1 or at + 4 * size > len(data):
            raise ValueError(f"entry {name!r} is truncated")
        sums = np.frombuffer(data, "<f4", size, at).astype(np.float32)
        values[name] = sums / np.float32(calls) if calls > 0 else sums
        at += 4 * size
    return ImportanceMatrix(path.name, values, *_trailer(data, at))


def _trailer(data: bytes, at: int) -> tuple[tuple[str, ...], int]:
    """What newer tools append: the number of chunks, and the data set's name."""
    if at + 4 > len(data):
        return (), 0
    if at + 8 > len(data):
        return (), _number(data, at)
    dataset, _ = _text(data, at + 4)
    return ((dataset,) if dataset else ()), _number(data, at)


def _number(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<i", data, at)[0])


def _text(data: bytes, at: int) -> tuple[str, int]:
    size = _number(data, at)
    if size < 0 or at + 4 + size > len(data):
        raise ValueError("a name is truncated")
    return data[at + 4 : at + 4 + size].decode(), at + 4 + size
