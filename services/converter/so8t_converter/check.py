"""A quick check of model A before a run. Imports nothing heavy; the conversion itself checks every tensor."""

from __future__ import annotations

from pathlib import Path

from so8t_converter.checkpoint import read_config
from so8t_shared.config.model import Config


def check_model_a(config: Config) -> list[str]:
    """Check model A; there are never notes.

    Raises:
        InputError: model A is on this host and cannot be converted.
    """
    folder = Path(config.model_a.base_model)
    if folder.is_dir():
        read_config(folder)
    return []
