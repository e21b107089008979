"""What stages read from outside the store: models and data, in files, on the Hub, or on a server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from so8t_shared.config.gguf import PROMPTS
from so8t_shared.config.model import Config
from so8t_shared.config.retention import SHIPPED
from so8t_shared.splits import sides_of_paths


@dataclass(frozen=True)
class ModelInput:
    """A model folder outside the store."""

    name: str
    path: Path


@dataclass(frozen=True)
class FileInput:
    """A single file outside the store."""

    name: str
    path: Path


@dataclass(frozen=True)
class DataInput:
    """A data file or folder outside the store, or a Hub name."""

    name: str
    path: str


@dataclass(frozen=True)
class ServedInput:
    """A model that an Ollama server has."""

    name: str
    model: str
    address: str


PathInput = ModelInput | FileInput | DataInput
ExternalInput = PathInput | ServedInput


def _imatrix(config: Config) -> list[ExternalInput]:
    """The importance matrix or text; its name counts, too: it is written into the files."""
    if config.gguf.imatrix in (None, PROMPTS):
        return []
    path = Path(str(config.gguf.imatrix))
    return [FileInput(f"gguf.imatrix ({path.name})", path)]


def model_a(config: Config) -> list[ExternalInput]:
    """Model A's checkpoint, and what guides its quantization."""
    return [ModelInput("model_a", Path(config.model_a.base_model)), *_imatrix(config)]


def model_b(config: Config) -> list[ExternalInput]:
    """A model B that is not trained here; otherwise what guides its quantization."""
    if config.served_b:  # its name counts, too: it is asked by that
        return [ServedInput(f"model_b.ollama = {config.served_b}", config.served_b, config.ollama.host)]
    return [FileInput("model_b.gguf", Path(config.gguf_b))] if config.gguf_b else _imatrix(config)


def evaluate_inputs(config: Config) -> list[ExternalInput]:
    """What the test reads beside models and rows, where its options ask for it."""
    return [*_retention_rows(config), *_ladder_base(config)]


def _retention_rows(config: Config) -> list[ExternalInput]:
    """The file of neutral prompts, if there is one."""
    retention = config.ab_test.retention
    named = retention is not None and retention.rows != SHIPPED
    return [FileInput("ab_test.retention.rows", Path(retention.rows))] if retention and named else []


def _ladder_base(config: Config) -> list[ExternalInput]:
    """The base that model B was trained from, if a run climbs its ladder."""
    return [ModelInput("model_b", Path(config.base_of_b.base_model))] if config.ab_test.ladder else []


def training_inputs(config: Config) -> list[ExternalInput]:
    """The base and the rows; for an external B, model A, whose tokenizer measures the rows."""
    base = "model_a" if config.external_b else "model_b"
    inputs: list[ExternalInput] = [ModelInput(base, Path(config.base_of_b.base_model))]
    paths = config.dataset.paths
    for i, (path, side) in enumerate(zip(paths, sides_of_paths(paths), strict=True)):
        inputs.append(DataInput(f"dataset.paths[{i}]" + (f" ({side})" if side else ""), path))
    if config.dataset.source and config.dataset.source.license_file:
        inputs.append(DataInput("dataset.source.license_file", config.dataset.source.license_file))
    if config.test_data:
        inputs.append(DataInput("ab_test.test_data", config.test_data))
    return inputs
