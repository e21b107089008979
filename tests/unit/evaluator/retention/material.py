"""Tiny real models, their items, and scores that are written out."""

from __future__ import annotations

import shutil
from pathlib import Path

import gguf
from tests.unit.engines.conftest import GetModel
from tests.unit.evaluator.material import make_chat

from so8t_evaluator.importing import write_registry
from so8t_evaluator.retention.scoring import score_references
from so8t_shared.config.model import Config
from so8t_shared.progress import Progress, no_progress
from so8t_shared.results.registry import Registry
from so8t_shared.results.retention import RETENTION_FILE, ScoredReference
from so8t_shared.results.sides import Side
from so8t_shared.retention.items import Item

ITEMS = [
    Item(f"Say {word} in {language}.", f"{word} is {word[::-1]}", kind, language)
    for kind in ("facts", "code")
    for word, language in (("open", "en"), ("door", "en"), ("犬", "ja"), ("print(1)", "ja"))
]
QUANTIZATION = "f16"


def make_config() -> Config:
    """One quantization and thread."""
    return Config.model_validate(
        {
            "model_a": {"base_model": "m"},
            "dataset": {"paths": ["d"]},
            "device": "cpu",
            "gguf": {"quantizations": [QUANTIZATION]},
            "ab_test": {"threads": 1, "retention": "shipped"},
        }
    )


def make_models(folder: Path, a: Path, b: Path) -> dict[Side, Path]:
    """Conversions of both models."""
    converted: dict[Side, Path] = {"a": folder / "a", "b": folder / "b"}
    for side, source in (("a", a), ("b", b)):
        converted[side].mkdir(parents=True)
        (converted[side] / "chat.json").write_text(make_chat(context_length=512).model_dump_json(), encoding="utf-8")
        shutil.copy(source, converted[side] / f"model_{side}_{QUANTIZATION}.gguf")
    return converted


def forgetful(source: Path, target: Path) -> Path:
    """A copy whose last norm is far too large: it is sure of what it does not know."""
    shutil.copy(source, target)
    reader = gguf.GGUFReader(target, "r+")
    (norm,) = (tensor for tensor in reader.tensors if tensor.name == "output_norm.weight")
    norm.data[:] = 30 * norm.data
    return target


def pair(tiny: GetModel, folder: Path, *, forgot: bool = False) -> dict[Side, Path]:
    """A beside itself, or beside a B that forgot."""
    folder.mkdir(parents=True, exist_ok=True)
    a = tiny(QUANTIZATION).path
    return make_models(folder, a, forgetful(a, folder / "forgot.gguf") if forgot else a)


def register(config: Config, converted: dict[Side, Path], folder: Path) -> Registry:
    """What the import stage writes."""
    folder.mkdir(parents=True)
    return write_registry(config, converted, folder)


def score(converted: dict[Side, Path], folder: Path, progress: Progress = no_progress) -> list[ScoredReference]:
    """Score the items; `folder` holds what another attempt can use."""
    config, output = make_config(), folder / "output"
    shutil.rmtree(output, ignore_errors=True)
    registry = register(config, converted, output)
    score_references(config, registry, converted, ITEMS, folder / "unfinished", progress, output)
    return ScoredReference.read_lines(output / RETENTION_FILE)
