"""Checks before a run for inputs that would fail in training, perhaps hours later. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

from so8t_shared.config.layers import MOST_LAYERS, chosen_layers
from so8t_shared.config.model import Config
from so8t_shared.models.hf_folder import read_json
from so8t_trainer.base import check_base
from so8t_trainer.data.check import check_data


def check_inputs(config: Config) -> list[str]:
    """Return notes about the base of model B and the data set.

    Raises:
        InputError: one of them is on this host and unusable.
        ConfigError: training.so8t.layers names a layer that the base does not have.
    """
    base = Path(config.base_of_b.base_model)
    if base.is_dir() and not config.external_b:
        check_base(base)
        _check_layers(base, config)
    return check_data(config)


def _check_layers(base: Path, config: Config) -> None:
    total = read_json(base / "config.json").get("num_hidden_layers")
    if config.training.so8t.enabled and isinstance(total, int):
        chosen_layers(config.training.so8t.layers, range(min(total, MOST_LAYERS)), total)
