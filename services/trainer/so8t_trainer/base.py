"""Checks the base of model B before anything is loaded. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

from so8t_shared.errors import InputError
from so8t_shared.models.hf_folder import holds_gates, read_json, refuse_quantized
from so8t_shared.models.tensor_headers import check_sizes
from so8t_shared.tables.architectures import architecture_of
from so8t_shared.tables.fixed_by_gguf import check_fixed


def check_base(base: Path) -> None:
    """Reject a checkpoint folder that cannot be trained, merged and then converted.

    Raises:
        InputError: a file is missing or broken, or the checkpoint is quantized, already has gates, or has
            an unsupported architecture.
    """
    path = base / "config.json"
    config = read_json(path)
    if holds_gates(config):
        raise InputError(
            "The base of model B already has SO8T gates in the original project's format.",
            where=str(base),
            remedy="set model_b.base_model to the ordinary checkpoint that it was made from",
        )
    architecture = architecture_of(config, path, done="trained")
    refuse_quantized(config, path)
    check_sizes(config, base)
    check_fixed(config, architecture, path)
