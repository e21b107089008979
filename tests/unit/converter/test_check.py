"""What is reported about model A before a run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.messages import Said
from tests.unit.shared.material import make_config, make_model

from so8t_converter.check import check_model_a, check_model_b
from so8t_converter.file_sizes import row_lengths
from so8t_converter.imatrix import Sums, write_imatrix
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


def _matrix(path: Path, sums: dict[str, Sums]) -> bytes:
    write_imatrix(path, sums, ["x"], 1)
    return path.read_bytes()


def test_a_matrix_that_does_not_fit(made: Callable[[str], Path], tmp_path: Path, said: Said) -> None:
    """One of another model, half of one, a model, and an empty file: told before any work, and of B's base as well."""
    lengths = row_lengths(made("llama"))
    good = {name: Sums(np.ones(size, np.float32), 1) for name, size in lengths.items()}
    name = "blk.0.attn_q.weight"
    path = tmp_path / "m.gguf"
    whole = _matrix(path, good)
    contents = {
        "good": whole,
        "other names": _matrix(path, {"blk.99.attn_q.weight": good[name]}),
        "other sizes": _matrix(path, {**good, name: Sums(np.ones(8, np.float32), 1)}),
        "truncated": whole[: len(whole) // 2],
        "a model": (made("llama") / "model.safetensors").read_bytes(),
        "empty": b"",
    }
    a = str(made("llama"))
    config = make_config(tmp_path, model_a={"base_model": a}, gguf={"imatrix": str(path)})
    for kind, content in contents.items():
        path.write_bytes(content)
        if kind == "good":
            assert check_model_a(config) == check_model_b(config) == []
            continue
        with said.raised(InputError) as caught:
            check_model_a(config)
        assert caught.value.where == str(path), kind
        with pytest.raises(InputError):
            check_model_b(config)


@pytest.mark.parametrize("imatrix", ["prompts", "some.txt"])
def test_gates_that_are_not_folded(made: Callable[[str], Path], tmp_path: Path, said: Said, imatrix: str) -> None:
    """No matrix can be measured on such a checkpoint."""
    config = make_config(tmp_path, model_a={"base_model": str(made("foreign"))}, gguf={"imatrix": imatrix})
    with said.raised(InputError) as caught:
        check_model_a(config)
    assert caught.value.where == str(made("foreign"))


def test_nothing_heavy_is_imported() -> None:
    """`plan` is quick."""
    code = "import sys, so8t_converter.check; sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
