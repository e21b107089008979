"""Which folders can be the base of model B; told without loading anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.messages import Said
from tests.unit.shared.material import make_model

from so8t_shared.errors import InputError
from so8t_shared.tables.architectures import BY_NAME, FOREIGN_SO8T
from so8t_trainer.base import check_base


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a checkpoint looks like from outside."""
    return make_model(tmp_path / "model")


def _configure(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize("name", BY_NAME)
def test_supported_architectures(folder: Path, name: str) -> None:
    """Those that can be converted afterwards; a quantization that is null is none."""
    _configure(folder, architectures=[name], quantization_config=None)
    check_base(folder)


@pytest.mark.parametrize(
    "values",
    [
        {"architectures": [FOREIGN_SO8T]},
        {"architectures": ["Phi3ForCausalLM"], "so8t_integrated": True},
        {"architectures": ["GemmaForCausalLM"]},
        {"architectures": None},
        {"quantization_config": {"quant_method": "bitsandbytes"}},
    ],
    ids=json.dumps,
)
def test_refused_by_config(folder: Path, values: dict[str, Any], said: Said) -> None:
    """Gates, an architecture that nothing after training could convert, weights without full precision."""
    _configure(folder, **values)
    with said.raised(InputError) as caught:
        check_base(folder)
    assert str(folder) in caught.value.where


def test_a_base_with_gates_has_a_way_out(folder: Path, said: Said) -> None:
    """The remedy names the key to set."""
    _configure(folder, so8t_integrated=True)
    with said.raised(InputError):
        check_base(folder)


def test_refused_by_its_files(folder: Path, said: Said) -> None:
    """No config.json; no weights but pickled ones, which are never read."""
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with said.raised(InputError):
        check_base(folder)
    (folder / "config.json").unlink()
    with said.raised(InputError):
        check_base(folder)
