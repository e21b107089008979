"""Importance matrices that are measured here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer

from so8t_converter import activations
from so8t_converter.activations import CHUNK_TOKENS, measure
from so8t_converter.convert import Conversion
from so8t_converter.standalone import convert_folder
from so8t_shared.errors import InputError
from so8t_shared.json_files import write_lines
from so8t_shared.models.hf_folder import read_json
from so8t_shared.results.training import LabeledRow
from so8t_trainer.encode import load_encoder


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
    ids = Tokenizer.from_file(str(source / "tokenizer.json")).encode(text.read_text(), add_special_tokens=False).ids
    whole = len(ids) // CHUNK_TOKENS * CHUNK_TOKENS
    assert found.rows == whole
    np.testing.assert_allclose(found.squares, _given_to_the_first_layer(source, ids[:whole]), rtol=1e-4)


def _given_to_the_first_layer(source: Path, ids: Sequence[int]) -> NDArray[np.float64]:
    """Sum of the squares of the normed embeddings."""
    config, weights = read_json(source / "config.json"), load_file(source / "model.safetensors")
    x = weights["model.embed_tokens.weight"].double()[torch.tensor(ids)]
    x = x / (x.square().mean(-1, keepdim=True) + config["rms_norm_eps"]).sqrt()
    x = x * weights["model.layers.0.input_layernorm.weight"].double()
    squares: NDArray[np.float64] = x.square().sum(0).numpy()
    return squares


def test_rows_are_read_as_they_are_trained(converted: Callable[[str], Path], tmp_path: Path) -> None:
    """Prompt and answer of each row alone, token by token as trained; the file's order does not count."""
    source = converted("llama").source
    rows = [
        LabeledRow(id=f"{3 - i:016x}", text=f"request {i} 数", label=label, thinking={"task": "t"} if i else {})
        for i, label in enumerate(["ALLOW", "DENY", "REFUSE"])
    ]
    path = tmp_path / "train.jsonl"
    write_lines(path, rows)
    seen: list[tuple[int, int]] = []
    found = measure(source, path, lambda done, total: seen.append((done, total)))
    encoder = load_encoder(source)
    ids = [token for row in encoder.encode_all(rows) for token in (*row.prompt, *row.completion)]
    expected = _given_to_the_first_layer(source, ids)
    entry = found["blk.0.attn_q.weight"]
    assert entry.rows == len(ids)
    np.testing.assert_allclose(entry.squares, expected, rtol=1e-4)
    assert seen == [(i, 3) for i in range(4)]
    write_lines(path, rows[::-1])
    again = measure(source, path)
    assert all(np.array_equal(again[name].squares, sums.squares) for name, sums in found.items())


def test_most_rows_are_left_out(
    converted: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading ends with the row that fills the sample, the same rows whatever their order."""
    monkeypatch.setattr(activations, "MOST_TOKENS", 200)
    rows = [LabeledRow(id=f"{i:016x}", text="word " * 30, label="ALLOW") for i in range(100)]
    write_lines(tmp_path / "train.jsonl", rows)
    found = measure(converted("llama").source, tmp_path / "train.jsonl")
    assert 200 <= next(iter(found.values())).rows < 600


def test_no_rows(converted: Callable[[str], Path], tmp_path: Path) -> None:
    """Refused."""
    (tmp_path / "train.jsonl").touch()
    with pytest.raises(InputError):
        measure(converted("llama").source, tmp_path / "train.jsonl")


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
