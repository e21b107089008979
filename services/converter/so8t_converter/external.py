"""A model B that is a GGUF file already: taken over as it is, after a look at its header."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from so8t_converter.gguf_chat import chat_of_gguf
from so8t_shared.files import write_atomically
from so8t_shared.models.gguf_file import read_header
from so8t_shared.part_file import copy_hashed
from so8t_shared.places import gguf_name
from so8t_shared.progress import Progress, no_progress
from so8t_shared.results.conversion import ConversionResult, GgufFile
from so8t_shared.tables.quantizations import Quantization


def take_gguf(
    source: Path, quantization: Quantization, output: Path, progress: Progress = no_progress
) -> ConversionResult:
    """Fill `output` as a conversion does, with a copy of `source` in place of `quantization`'s file.

    `progress` counts bytes, and may raise to stop.

    Raises:
        InputError: it is no GGUF file, or cannot be tested.
        IntegrityError: it is damaged, or was changed while it was copied.
    """
    started = time.monotonic()
    header = read_header(source)
    chat = chat_of_gguf(header)
    target = output / gguf_name("b", quantization)
    target.touch()
    digest = copy_hashed(source, target, lambda done: progress(done, header.size_bytes, "copying the GGUF file"))
    types = Counter(tensor.type.name for tensor in header.tensors.values())
    file = GgufFile(
        file=target.name,
        quantization=quantization,
        size_bytes=target.stat().st_size,
        sha256=digest,
        tensor_types=dict(types),
    )
    result = ConversionResult(files=[file], seconds=round(time.monotonic() - started, 3))
    write_atomically(output / "chat.json", chat.model_dump_json(indent=2).encode())
    write_atomically(output / "conversion.json", result.model_dump_json(indent=2).encode())
    return result
