"""gguf.alternatives: which files the names stand for, and which names make no sense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.unit.shared.material import make_config

from so8t_shared.config.alternatives import Alternative
from so8t_shared.stages import BY_NAME

GGUF = {"quantizations": ["f16", "q4_k_m"]}


def test_what_is_made(tmp_path: Path) -> None:
    """A quantization is guided like the others and made with them; another matrix takes a file apart."""
    gguf = make_config(tmp_path, gguf={**GGUF, "alternatives": ["imatrix", "Q5_K_M", "f16"]}).gguf
    assert gguf.of_b == ["f16", "q4_k_m", "q5_k_m"]
    assert gguf.made_apart == [Alternative("imatrix", "q4_k_m", imatrix=True)]
    assert [each.imatrix for each in gguf.compared] == [True, False, False]
    guided = make_config(tmp_path, gguf={**GGUF, "imatrix": "prompts", "alternatives": ["plain", "q5_k_m"]}).gguf
    assert guided.made_apart == [Alternative("plain", "q4_k_m", imatrix=False)]
    assert [each.imatrix for each in guided.compared] == [False, True]


@pytest.mark.parametrize(
    ("gguf", "model_b"),
    [
        ({"alternatives": "q4_k_m"}, None),
        ({"alternatives": "plain"}, None),
        ({"alternatives": "imatrix", "imatrix": "prompts"}, None),
        ({"alternatives": "imatrix", "primary": "f16"}, None),
        ({"alternatives": ["q5_k_m", "q5_k_m"]}, None),
        ({"alternatives": "q5_k_m", "quantizations": ["q4_k_m"]}, {"gguf": "b.gguf"}),
    ],
)
def test_refused(tmp_path: Path, gguf: dict[str, Any], model_b: dict[str, str] | None) -> None:
    """The primary itself, a matrix that all have or none has, one that changes nothing, another's model B."""
    with pytest.raises(ValidationError, match="alternatives"):
        make_config(tmp_path, gguf={**GGUF, **gguf}, model_b=model_b)


def test_without_it_no_stage_changes(tmp_path: Path) -> None:
    """So artifacts stay as they were; with it, B's conversion reads the training rows, evaluate the file made apart."""
    plain, asked = (make_config(tmp_path, gguf={**GGUF, "alternatives": names}) for names in ([], ["imatrix"]))
    for name in ("convert-b", "evaluate"):
        stage = BY_NAME[name]
        assert stage.under(plain) == stage
        assert {key for key, of in stage.options.items() if of(asked)} - {
            k for k, of in stage.options.items() if of(plain)
        }
    assert "splits/train.jsonl" in BY_NAME["convert-b"].under(asked).needs["train"]
    assert "imatrix/" in BY_NAME["evaluate"].under(asked).needs["convert-b"]
    assert BY_NAME["convert-a"].under(asked) == BY_NAME["convert-a"]
