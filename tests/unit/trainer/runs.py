"""Whole training stages on a few rows."""

from __future__ import annotations

from pathlib import Path

from so8t_shared.config.model import Config

SETTINGS = {"max_steps": 3, "batch_size": 4, "learning_rate": 2e-3, "dtype": "float32", "max_length": 512}


def config_of(model: Path, rows: Path, **training: object) -> Config:
    """A configuration that trains for a few steps on the processor."""
    return Config.model_validate(
        {
            "model_a": {"base_model": str(model)},
            "dataset": {"paths": [str(rows)]},
            "training": {**SETTINGS, **training},
            "device": "cpu",
        }
    )
