"""What a configuration adds to stages, beside its keys: here ab_test.ladder, without which nothing is added."""

from __future__ import annotations

from so8t_shared.config.model import Config
from so8t_shared.results.ladder import LADDER_FILE
from so8t_shared.tables.rungs import DEFAULT_ROWS

_LADDER_VERSION = 1
"""Raised when ladder.json changes for the same input."""
TRAINED = ("adapter/", "gates.safetensors", "training_config.yaml")
"""What training left of adapter and gates."""


def ladder(config: Config) -> list[int] | None:
    """What affects ladder.json besides the models and rows."""
    return [_LADDER_VERSION, DEFAULT_ROWS] if config.ab_test.ladder else None


def ladder_needs(config: Config) -> dict[str, tuple[str, ...]]:
    """The forms of model B that its files were made from."""
    return {"train": ("merged/", *TRAINED)} if config.ab_test.ladder else {}


def ladder_services(config: Config) -> tuple[str, ...]:
    """Packages of the services that measure rungs for the evaluator."""
    return ("so8t_trainer",) if config.ab_test.ladder else ()


def ladder_report(config: Config) -> dict[str, tuple[str, ...]]:
    """What the report shows of the ladder."""
    return {"evaluate": (LADDER_FILE,)} if config.ab_test.ladder else {}
