"""Tiny models, shared by the trainer's tests; never written to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from tests.tiny_data import write_rows
from tests.tiny_models import BY_ARCHITECTURE

os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of a tiny model of each architecture."""
    root = tmp_path_factory.mktemp("tiny")
    return {name: make(root / name) for name, make in BY_ARCHITECTURE.items()}


@pytest.fixture(params=BY_ARCHITECTURE)
def any_model(request: pytest.FixtureRequest, tiny_models: dict[str, Path]) -> Path:
    """Each of the tiny models in turn."""
    return tiny_models[request.param]


@pytest.fixture
def llama(tiny_models: dict[str, Path]) -> Path:
    """The tiny Llama."""
    return tiny_models["LlamaForCausalLM"]


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with ten rows of each class."""
    return write_rows(tmp_path_factory.mktemp("rows") / "rows.jsonl", per_class=10)
