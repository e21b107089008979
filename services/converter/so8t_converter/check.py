"""Quick checks of the models before a run. Imports nothing heavy; the conversion itself checks every tensor."""

from __future__ import annotations

from pathlib import Path

from so8t_converter.checkpoint import read_config
from so8t_converter.gguf_chat import chat_of_gguf
from so8t_shared.config.model import Config
from so8t_shared.models.gguf_file import read_header


def check_model_a(config: Config) -> list[str]:
    """Check model A; there are never notes.

    Raises:
        InputError: model A is on this host and cannot be converted.
    """
    folder = Path(config.model_a.base_model)
    if folder.is_dir():
        read_config(folder)
    return []


def check_model_b(config: Config) -> list[str]:
    """Check a model B that is a GGUF file already; a note if it has another type than A's file beside it.

    Raises:
        InputError: it is on this host and cannot be tested.
        IntegrityError: it is damaged.
    """
    given = config.model_b.gguf if config.model_b else None
    if given is None or not Path(given).is_file():
        return []
    header = read_header(Path(given))
    chat_of_gguf(header)
    beside = config.gguf.primary_quantization
    same = (header.file_type or "").lower().removeprefix("mostly_") == beside
    return [] if same else [f"model_b.gguf has the file type {header.file_type}; it is tested beside A's {beside}"]
