"""What is reported about a training before a run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.material import make_config, make_inputs, make_model

from so8t_shared.errors import ConfigError, InputError
from so8t_trainer.check import check_inputs


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a model and rows."""
    return make_inputs(tmp_path)


def test_both_inputs_are_looked_at(root: Path, said: Said) -> None:
    """The base and the rows; a base that is on another host is not."""
    assert check_inputs(make_config(root)) == []
    elsewhere = make_config(root, model_b={"base_model": "/no/such"})
    assert check_inputs(elsewhere) == []
    (root / "rows.jsonl").write_text('{"text": "x", "label": "MAYBE"}\n')
    with said.raised(InputError):
        check_inputs(elsewhere)
    (root / "model" / "model.safetensors").unlink()
    with said.raised(InputError):
        check_inputs(make_config(root))


def test_the_base_of_its_own_counts(root: Path, said: Said) -> None:
    """Model A may be what cannot be trained, if B starts from another folder; and the other way round."""
    gated = make_model(root / "gated")
    (gated / "config.json").write_text('{"architectures": ["SO8TPhi3ForCausalLM"]}')
    assert (
        check_inputs(make_config(root, model_a={"base_model": str(gated)}, model_b={"base_model": str(root / "model")}))
        == []
    )
    with said.raised(InputError):
        check_inputs(make_config(root, model_a={"base_model": str(gated)}))
    with said.raised(InputError):
        check_inputs(make_config(root, model_b={"base_model": str(gated)}))


def test_layers_with_gates_must_exist(root: Path) -> None:
    """By the base's config.json, before anything is loaded; without gates no layer is meant."""
    (root / "model" / "config.json").write_text('{"architectures": ["LlamaForCausalLM"], "num_hidden_layers": 8}')
    assert check_inputs(make_config(root, training={"so8t": {"layers": "4-7"}})) == []
    assert check_inputs(make_config(root, training={"so8t": {"layers": "4-11", "enabled": False}})) == []
    with pytest.raises(ConfigError):
        check_inputs(make_config(root, training={"so8t": {"layers": "4-11"}}))


def test_nothing_heavy_is_imported() -> None:
    """`plan` is quick."""
    code = "import sys, so8t_trainer.check; sys.exit(bool({'torch', 'transformers', 'datasets'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
