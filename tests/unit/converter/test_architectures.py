"""Every architecture: the tensors that it must have are those that transformers saves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.converter.conftest import KNOWN_AS

from so8t_converter.weights import stored_tensors
from so8t_shared.tables.architectures import BY_NAME, architecture_of, sizes_of


@pytest.mark.parametrize("name", BY_NAME)
def test_shapes_are_transformers_shapes(made: Callable[[str], Path], name: str) -> None:
    """Names and shapes computed from config.json equal those of a model saved by transformers."""
    folder = made(KNOWN_AS.get(name, name))
    config = json.loads((folder / "config.json").read_text())
    sizes = sizes_of(config, folder)
    shapes = architecture_of(config, folder, done="converted").shapes(sizes)
    if sizes.tied:
        del shapes["lm_head.weight"]
    assert shapes == {key: tensor.shape for key, tensor in stored_tensors(folder).items()}
