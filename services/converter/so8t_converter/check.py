"""A quick check of models before a run. Imports nothing heavy; the conversion itself checks every tensor."""

from __future__ import annotations

from pathlib import Path

from so8t_converter.checkpoint import read_config
from so8t_converter.external import look_at
from so8t_shared.config.model import Config
from so8t_shared.models.served import check_served


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
    """Check an external model B; a note if its file is not on this host.

    Raises:
        InputError: it is no language model, or has another quantization than the configuration says.
        IntegrityError: its file is damaged.
        ServerError: its server does not answer.
    """
    if config.served_b:
        check_served(config)
    if config.gguf_b is None:
        return []
    if not Path(config.gguf_b).exists():
        return [f"model_b.gguf = {config.gguf_b} does not exist on this host"]
    look_at(Path(config.gguf_b), config.gguf.primary_quantization)
    return []
