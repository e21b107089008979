"""A converted model whose copy has more texts in its metadata, in llama.cpp."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.unit.converter.conftest import Converted
from tests.unit.converter.engine import LlamaCpp

from so8t_converter.gguf_diff import diff
from so8t_shared.models.gguf_file import read_header
from so8t_shared.models.gguf_keys import copy_with_texts

TEXTS = {"so8t.session": "20260101_000000", "so8t.evaluated_sha256": "0" * 64}


@pytest.mark.parametrize("quantization", ["f16", "q4_k_m"])
def test_the_same_model(converted: Callable[[str], Converted], tmp_path: Path, quantization: str) -> None:
    """`gguf diff` finds nothing but the texts, and llama.cpp computes the same probabilities, bit by bit."""
    source, target = converted("phi3").gguf(quantization), tmp_path / "copy.gguf"
    target.touch()
    copy_with_texts(source, target, TEXTS, lambda done: None)
    found = diff(source, target)
    assert ({key.key: key.b and key.b.value for key in found.keys}, found.tensors) == (TEXTS, [])
    vocabulary = read_header(source).metadata["tokenizer.ggml.tokens"].count or 0
    models = [LlamaCpp(path, vocabulary) for path in (source, target)]
    ids = models[0].tokens("May I copy this?")
    assert models[1].tokens("May I copy this?") == ids
    np.testing.assert_array_equal(models[0].logprobs(ids), models[1].logprobs(ids))
