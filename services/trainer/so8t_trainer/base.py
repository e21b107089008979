"""The base of model B, looked at before anything is loaded. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

from so8t_shared.errors import InputError
from so8t_shared.models.hf_folder import holds_gates, read_json, refuse_quantized, weight_files
from so8t_shared.tables.architectures import architecture_of, check_assumptions


def check_base(base: Path) -> None:
    """Refuse a checkpoint folder that cannot be trained, merged and converted afterwards.

    Raises:
        InputError: a file is missing or broken, or the checkpoint is quantized, holds gates already or is
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
    architecture = architecture_of(config, path, done="trained")
    check_assumptions(config, architecture, path)
    refuse_quantized(config, path)
    weight_files(base)
