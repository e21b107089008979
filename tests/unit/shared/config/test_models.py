"""A model B that is a GGUF file already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.unit.shared.material import make_config


@pytest.mark.parametrize(
    "sections", [{"gguf": {"quantizations": ["q8_0"]}}, {"training": {"max_steps": 0}}, {"training": {"max_steps": 5}}]
)
def test_a_file_is_neither_trained_nor_converted(tmp_path: Path, sections: dict[str, Any]) -> None:
    """It needs zero steps and a single quantization."""
    with pytest.raises(ValidationError, match=r"is tested as it is|is one file"):
        make_config(tmp_path, model_b={"gguf": "b.gguf"}, **sections)
    one = {"training": {"max_steps": 0}, "gguf": {"quantizations": ["q8_0"]}}
    assert make_config(tmp_path, model_b={"gguf": "b.gguf"}, **one).base_of_b.base_model == str(tmp_path / "model")
