"""GGUF files of a few kilobytes, by the reference implementation."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np


def write_gguf(path: Path, texts: dict[str, str] | None = None, *, alignment: int = 32, rows: int = 3) -> Path:
    """A file with texts, an array of texts, and two tensors of `rows` and 5 rows; returns its path."""
    writer = gguf.GGUFWriter(path, "llama")
    if alignment != 32:
        writer.add_custom_alignment(alignment)
    for key, text in (texts or {}).items():
        writer.add_string(key, text)
    writer.add_array("x.tokens", [f"<{i}>" for i in range(100)])
    values = np.random.default_rng(rows).normal(size=(rows, 4)).astype(np.float32)
    writer.add_tensor("a.weight", values)
    writer.add_tensor("b.weight", np.ones(5, np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def gguf_bytes(folder: Path, name: str, *, rows: int = 3) -> bytes:
    """The bytes of such a file that names itself, made in `folder`."""
    path = write_gguf(folder / "made.gguf", {"general.name": name}, rows=rows)
    data = path.read_bytes()
    path.unlink()
    return data
