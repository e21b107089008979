"""Checks before a run for inputs that would fail in training, perhaps hours later. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

from so8t_shared.config.model import Config
from so8t_trainer.base import check_base
from so8t_trainer.data.check import check_data


def check_inputs(config: Config) -> list[str]:
    """Return notes about the base of model B and the data set.

    Raises:
        InputError: one of them is on this host and unusable.
    """
    base = Path(config.base_of_b.base_model)
    if base.is_dir():
        check_base(base)
    return check_data(config)
