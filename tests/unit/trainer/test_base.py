"""Which folders can be the base of model B; told without loading anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
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
    ("values", "message"),
    [
        ({"architectures": [FOREIGN_SO8T]}, "already holds SO8T gates"),
        ({"architectures": ["Phi3ForCausalLM"], "so8t_integrated": True}, "already holds SO8T gates"),
        ({"architectures": ["GemmaForCausalLM"]}, "GemmaForCausalLM cannot be trained"),
        ({"architectures": None}, "names no architecture"),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, "quantized form"),
    ],
)
def test_refused_by_config(folder: Path, values: dict[str, Any], message: str) -> None:
    """Gates, an architecture that nothing after training could convert, weights without full precision."""
    _configure(folder, **values)
    with pytest.raises(InputError, match=message) as caught:
        check_base(folder)
    assert str(folder) in caught.value.where
    assert caught.value.remedy


def test_a_base_with_gates_has_a_way_out(folder: Path) -> None:
    """The remedy names the key to set."""
    _configure(folder, so8t_integrated=True)
    with pytest.raises(InputError) as caught:
        check_base(folder)
    assert "model_b.base_model" in caught.value.remedy


def test_refused_by_its_files(folder: Path) -> None:
    """No config.json; no weights but pickled ones, which are never read."""
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="pickled"):
        check_base(folder)
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match=r"no config\.json"):
        check_base(folder)
