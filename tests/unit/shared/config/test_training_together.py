"""What cannot be trained by several processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.unit.shared.material import make_config

SPLIT = {"shard_weights": True, "processes": 2}


@pytest.mark.parametrize("training", [{"use_qlora": True}, {"base_bits": 4}, {"optimizer": "adamw_8bit"}])
def test_few_bits_are_not_split(tmp_path: Path, training: dict[str, Any]) -> None:
    """A base or an optimizer of 8 or 4 bits is refused with split weights, not with copied ones."""
    with pytest.raises(ValidationError, match="shard_weights"):
        make_config(tmp_path, training={**SPLIT, **training})
    assert make_config(tmp_path, training={"processes": 2, **training}).training.processes == 2


@pytest.mark.parametrize("training", [{"processes": 2}, {"processes": "auto"}, {"hosts": 2}])
def test_dropout_would_depend_on_the_number_of_processes(tmp_path: Path, training: dict[str, Any]) -> None:
    """So LoRA with dropout is refused; without LoRA, its dropout has no effect."""
    dropout = {"lora": {"dropout": 0.1}}
    with pytest.raises(ValidationError, match="dropout"):
        make_config(tmp_path, training={**training, **dropout})
    make_config(tmp_path, training={**training, **dropout, "use_full_finetuning": True})
    make_config(tmp_path, training=dropout)
