"""The base of model B, looked at before anything is loaded. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

from so8t_shared.errors import InputError
from so8t_shared.models.hf_folder import (
    ARCHITECTURES,
    architecture_name,
    holds_gates,
    read_json,
    refuse_quantised,
    weight_files,
)


def check_base(base: Path) -> None:
    """Refuse a checkpoint folder that cannot be trained, merged and converted afterwards.

    Raises:
        InputError: a file is missing or broken, or the checkpoint is quantised, holds gates already or is
            of an architecture that is not supported.
    """
    path = base / "config.json"
    config = read_json(path)
    if holds_gates(config):
        raise InputError(
            "The base of model B already holds SO8T gates in the original project's format.",
            where=str(base),
            remedy="give the ordinary checkpoint that it was made from as model_b.base_model",
        )
    name = architecture_name(config)
    if name not in ARCHITECTURES:
        raise InputError(
            f"The architecture {name} cannot be trained." if name else "config.json names no architecture.",
            where=f"{path}, key architectures",
            remedy=f"use a checkpoint of one of: {', '.join(ARCHITECTURES)}",
        )
    refuse_quantised(config, path)
    weight_files(base)
