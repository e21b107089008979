"""What a configuration adds to stages beside its keys; an option that is off adds nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from so8t_shared.config.gguf import PROMPTS
from so8t_shared.config.model import Config
from so8t_shared.results.ladder import LADDER_FILE
from so8t_shared.results.training import TRAINING_ROWS
from so8t_shared.retention.items import which
from so8t_shared.tables.rungs import DEFAULT_ROWS

_LADDER_VERSION = 1
"""Raised when ladder.json changes for the same input."""
TRAINED = ("adapter/", "gates.safetensors", "training_config.yaml")
"""What training left of adapter and gates."""


def ladder(config: Config) -> list[int] | None:
    """What affects ladder.json besides the models and rows."""
    return [_LADDER_VERSION, DEFAULT_ROWS] if config.ab_test.ladder else None


def evaluate_needs(config: Config) -> dict[str, tuple[str, ...]]:
    """For the ladder, the forms of model B that its files were made from; and the alternatives that were made apart."""
    needs: dict[str, tuple[str, ...]] = {"train": ("merged/", *TRAINED)} if config.ab_test.ladder else {}
    return needs | _made_apart(config)


def import_needs(config: Config) -> dict[str, tuple[str, ...]]:
    """For their verification, the alternatives that were made apart."""
    return _made_apart(config) if config.gguf.verify else {}


def _made_apart(config: Config) -> dict[str, tuple[str, ...]]:
    apart = tuple(f"{each.folder}/" for each in config.gguf.made_apart)
    return {"convert-b": apart} if apart else {}


def ladder_services(config: Config) -> tuple[str, ...]:
    """Packages of the services that measure rungs for the evaluator."""
    return ("so8t_trainer",) if config.ab_test.ladder else ()


def ladder_report(config: Config) -> dict[str, tuple[str, ...]]:
    """What the report shows of the ladder."""
    return {"evaluate": (LADDER_FILE,)} if config.ab_test.ladder else {}


def what_ends_the_asking(config: Config) -> list[Any] | None:
    """What an asking that may end early must decide, and at which level; nothing if it may not."""
    test = config.ab_test
    required = [clause.model_dump(mode="json") for clause in test.gate if clause.required]
    return [test.confidence, required] if test.until_decided else None


def asks_validation_rows(config: Config) -> bool | None:
    """Whether thresholds are fitted, which takes answers to validation rows."""
    return True if config.ab_test.policy else None


def retention_rows(config: Config) -> str | None:
    """What tells neutral prompts apart that are in no file of the user's."""
    retention = config.ab_test.retention
    return which(retention.rows) if retention else None


def of_retention(key: str) -> Callable[[Config], Any]:
    """What reads a key of a section that may not be there."""
    return lambda config: getattr(config.ab_test.retention, key, None)


def verifies_files(config: Config) -> bool | None:
    """Whether the converted files are verified."""
    return config.gguf.verify or None


def policy_targets(config: Config) -> dict[str, Any] | None:
    """What the thresholds must reach."""
    targets = config.ab_test.policy
    return targets.model_dump(mode="json") if targets else None


def more_files(config: Config) -> list[str] | None:
    """Files of model B that are made beside gguf.quantizations."""
    gguf = config.gguf
    return [
        *gguf.of_b[len(gguf.quantizations) :],
        *(f"{each.name}: {each.quantization}" for each in gguf.made_apart),
    ] or None


def alternatives(config: Config) -> list[str] | None:
    """Files of model B that are compared on validation rows."""
    return list(config.gguf.alternatives) or None


def prompts_a(config: Config) -> dict[str, tuple[str, ...]]:
    """The training side's rows, if the importance matrix is measured on them."""
    return {"train": (TRAINING_ROWS,)} if config.gguf.imatrix == PROMPTS else {}


def prompts_b(config: Config) -> dict[str, tuple[str, ...]]:
    """As for A, but an external model B is not quantized, and an alternative may need a matrix."""
    guided = any(each.imatrix for each in config.gguf.made_apart)
    return {} if config.external_b else {"train": (TRAINING_ROWS,)} if guided else prompts_a(config)
