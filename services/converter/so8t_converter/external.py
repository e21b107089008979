"""Takes a GGUF file that was made elsewhere as it is. Imports nothing heavy."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from so8t_shared.artifacts.digests import remember_written
from so8t_shared.errors import InputError
from so8t_shared.files import storage_errors
from so8t_shared.json_files import write_json
from so8t_shared.models.gguf_chat import chat_of
from so8t_shared.models.gguf_file import GgufHeader, read_header
from so8t_shared.part_file import copy_hashed
from so8t_shared.progress import Progress, no_progress
from so8t_shared.results.conversion import ChatInfo, ConversionResult, GgufFile
from so8t_shared.tables.quantizations import Quantization


@dataclass(frozen=True)
class External:
    """A GGUF file that can be tested."""

    header: GgufHeader
    chat: ChatInfo
    quantization: Quantization


def look_at(path: Path, quantization: Quantization) -> External:
    """Check that a file is one whole language model of this quantization, and read how to chat with it.

    Raises:
        InputError: it is not.
        IntegrityError: its header is damaged.
    """
    header = read_header(path)
    chat = chat_of(header)
    architecture = header.text("general.architecture")
    context, layers = (_number(header, f"{architecture}.{name}") for name in ("context_length", "block_count"))
    parts = _number(header, "split.count") or 1
    faults = [] if parts == 1 else [f"it is one of {parts} parts; join them with llama-gguf-split --merge"]
    if (header.file_type or "").lower() != quantization:
        named = header.file_type or "no quantization"
        faults.append(f"it says {named}, but gguf.quantizations is {quantization}; the same must hold for A and B")
    if not (architecture and context and layers):
        faults.append("it lacks general.architecture, or its context_length or block_count")
    if faults or not (architecture and context and layers):
        raise InputError(
            f"This GGUF file cannot be tested: {'; '.join(faults)}.",
            where=f"model_b.gguf = {path}",
            remedy="name another file, or set gguf.quantizations to what this one is",
        )
    info = ChatInfo(
        architecture=architecture,
        chat_template=chat.template,
        bos_token=chat.bos_token,
        eos_token=chat.eos_token,
        stop_tokens=chat.stop_tokens,
        markers=chat.markers,
        context_length=context,
        parameters=header.parameters,
        layers=layers,
        so8t={},
    )
    return External(header, info, quantization)


def take(external: External, name: str, output: Path, progress: Progress = no_progress) -> ConversionResult:
    """Fill `output` with a copy of the file under a new name, chat.json and conversion.json.

    A link would let a later change of the file damage the store. `progress` is called after every 16 MiB and may raise
    to stop; the next attempt copies again.

    Raises:
        StorageError: it cannot be written.
    """
    started, header = time.monotonic(), external.header
    target = output / name
    with storage_errors(target):
        target.touch()
        told = f"copying {header.path.name}"
        sha256 = copy_hashed(header.path, target, lambda done: progress(done, header.size_bytes, told))
    remember_written(target, sha256)
    file = GgufFile(
        file=name,
        quantization=external.quantization,
        size_bytes=target.stat().st_size,
        sha256=sha256,
        tensor_types=dict(Counter(tensor.type.name for tensor in header.tensors.values())),
    )
    result = ConversionResult(files=[file], seconds=round(time.monotonic() - started, 3))
    write_json(output / "chat.json", external.chat)
    write_json(output / "conversion.json", result)
    return result


def _number(header: GgufHeader, key: str) -> int | None:
    found = header.metadata.get(key)
    return found.value if found and found.count is None and isinstance(found.value, int) else None
