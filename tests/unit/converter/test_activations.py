"""Importance matrices that are measured here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from so8t_converter.activations import CHUNK_TOKENS, measure
from so8t_converter.convert import Conversion
from so8t_converter.standalone import convert_folder
from so8t_shared.errors import InputError
from so8t_shared.models.hf_folder import read_json


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two chunks for any of the tiny tokenizers, and some more."""
    path = tmp_path_factory.mktemp("text") / "calibration.txt"
    words = np.random.default_rng(0).choice(["quiet", "rivers", "say", "数", "42", "(x)", "\n"], 3 * CHUNK_TOKENS)
    path.write_text(" ".join(words), encoding="utf-8")
    return path


def test_sums_of_the_first_layer(converted: Callable[[str], Path], text: Path) -> None:
    """What the attention of layer 0 is given: normed embeddings of the whole chunks, computed here by hand."""
    source = converted("llama").source
    found = measure(source, text)["blk.0.attn_q.weight"]
    config, weights = read_json(source / "config.json"), load_file(source / "model.safetensors")
    ids = Tokenizer.from_file(str(source / "tokenizer.json")).encode(text.read_text(), add_special_tokens=False).ids
    whole = len(ids) // CHUNK_TOKENS * CHUNK_TOKENS
    x = weights["model.embed_tokens.weight"].double()[torch.tensor(ids[:whole])]
    x = x / (x.square().mean(-1, keepdim=True) + config["rms_norm_eps"]).sqrt()
    x = x * weights["model.layers.0.input_layernorm.weight"].double()
    assert found.rows == whole
    np.testing.assert_allclose(found.squares, x.square().sum(0).numpy(), rtol=1e-4)


@pytest.mark.parametrize("name", ["llama", "phi3"])
def test_every_weight_of_the_blocks_is_measured(
    converted: Callable[[str], Path], text: Path, tmp_path: Path, name: str
) -> None:
    """A conversion with a text names its matrix in the quantized file alone, and changes its weights alone."""
    source = converted(name).source
    plain = convert_folder(Conversion(source, "plain", ("f16", "q4_k_m")), tmp_path / "plain")
    guided = convert_folder(Conversion(source, "guided", ("f16", "q4_k_m"), imatrix=text), tmp_path / "guided")
    assert guided.files[0].sha256 == plain.files[0].sha256
    assert guided.files[1].sha256 != plain.files[1].sha256
    reader = gguf.GGUFReader(guided.files[1].path)
    inside = [t.name for t in reader.tensors if t.name.startswith("blk.") and len(t.shape) > 1]
    assert set(measure(source, text)) == set(inside)
    keys = {key: field.contents() for key, field in reader.fields.items() if key.startswith("quantize.imatrix.")}
    assert keys["quantize.imatrix.dataset"] == text.name
    assert keys["quantize.imatrix.entries_count"] == len(inside)
    assert keys["quantize.imatrix.file"] == "imatrix.gguf"


@pytest.mark.parametrize("content", [b"short", b"\xff" * 9000])
def test_a_text_that_cannot_be_read(converted: Callable[[str], Path], tmp_path: Path, content: bytes) -> None:
    """Too short, or not UTF-8: nothing is written."""
    (tmp_path / "t.txt").write_bytes(content)
    with pytest.raises(InputError) as caught:
        convert_folder(
            Conversion(converted("llama").source, "", ("q8_0",), imatrix=tmp_path / "t.txt"), tmp_path / "out"
        )
    assert caught.value.where == str(tmp_path / "t.txt")
    assert not (tmp_path / "out").exists()
