"""What is reported about model A before a run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.messages import Said
from tests.unit.shared.material import make_config, make_model

from so8t_converter.check import check_model_a
from so8t_shared.errors import InputError
from so8t_shared.tables.architectures import FOREIGN_SO8T


def test_good_models(tmp_path: Path) -> None:
    """Nothing is said of a model that can be converted, nor of one that is on another host."""
    config = make_config(tmp_path)
    assert check_model_a(config) == []
    make_model(tmp_path / "model")
    assert check_model_a(config) == []
    (tmp_path / "model" / "config.json").write_text(json.dumps({"architectures": [FOREIGN_SO8T]}))
    assert check_model_a(config) == []


@pytest.mark.parametrize(
    "values",
    [
        {"architectures": ["GemmaForCausalLM"]},
        {"quantization_config": {"quant_method": "gptq"}},
    ],
    ids=json.dumps,
)
def test_models_that_cannot_be_converted(tmp_path: Path, values: dict[str, Any], said: Said) -> None:
    """The same words as the conversion would have."""
    path = make_model(tmp_path / "model") / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    with said.raised(InputError) as caught:
        check_model_a(make_config(tmp_path))
    assert str(path) in caught.value.where


def test_a_folder_without_weights(tmp_path: Path, said: Said) -> None:
    """Told, too."""
    (make_model(tmp_path / "model") / "model.safetensors").unlink()
    with said.raised(InputError):
        check_model_a(make_config(tmp_path))


def test_nothing_heavy_is_imported() -> None:
    """`plan` is quick."""
    code = "import sys, so8t_converter.check; sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
