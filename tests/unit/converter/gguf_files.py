"""One GGUF file at a time, from a checkpoint or from an F16 file: what the tests compare with other programs' files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gguf
import libgguf

from so8t_converter.checkpoint import Checkpoint
from so8t_converter.llama_cpp import plan_of
from so8t_converter.llama_cpp import write_gguf as write_files_of
from so8t_converter.one_pass import write_files
from so8t_converter.plan import Plan, Stored, Tensor


def write_gguf(checkpoint: Checkpoint, folder: Path, target: Path, quantization: str = "f16") -> dict[str, int]:
    """Write one file of an ordinary checkpoint whose cleaned files are in `folder`."""
    return write_files_of(checkpoint, plan_of(checkpoint, folder), {quantization: target})[quantization].types


def quantize(
    source: Path,
    target: Path,
    quantization: str,
    on_tensor: Callable[[], None] = lambda: None,
    *,
    threads: int | None = None,
) -> dict[str, int]:
    """Write the file that a conversion would write if its checkpoint held the values of an F16 file."""
    file = libgguf.read_gguf_header(source)
    keys = {
        key: gguf.gguf_writer.GGUFValue(
            item.value,
            gguf.GGUFValueType(item.raw_type),
            None if item.raw_array_type is None else gguf.GGUFValueType(item.raw_array_type),
        )
        for key, item in file.metadata.items()
    }
    tensors = tuple(
        Tensor(t.name, tuple(reversed(t.shape)), t.qtype, Stored(t.qtype, source, t.data_offset, t.nbytes))
        for t in file.tensors
    )
    plan = Plan(keys, tensors, str(source))
    return write_files(plan, {quantization: target}, on_tensor, threads=threads)[quantization].types
