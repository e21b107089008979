"""Modelfiles, and the list of models that an engine can load."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from tests.tiny_tokenizers import CHATML
from tests.unit.evaluator.material import make_chat

from so8t_evaluator.importing import modelfile, read_chat, write_registry
from so8t_evaluator.template import FAMILIES
from so8t_shared.config.model import Config
from so8t_shared.errors import IntegrityError
from so8t_shared.prompts import SYSTEM_PROMPT
from so8t_shared.results import Registry, Side

CHAT = make_chat(chat_template=CHATML, stop_tokens=["<|im_end|>", "<|endoftext|>"])


@pytest.fixture
def config() -> Config:
    """Two quantisations, models named m-a and m-b."""
    return Config.model_validate(
        {
            "model_a": {"base_model": "m"},
            "dataset": {"paths": ["d"]},
            "gguf": {"quantizations": ["q8_0", "q4_k_m"]},
            "ollama": {"model_a_name": "m-a", "model_b_name": "m-b"},
        }
    )


@pytest.fixture
def converted(tmp_path: Path) -> dict[Side, Path]:
    """What both convert stages leave behind."""
    folders: dict[Side, Path] = {"a": tmp_path / "a", "b": tmp_path / "b"}
    for side, folder in folders.items():
        folder.mkdir()
        (folder / "chat.json").write_text(CHAT.model_dump_json(), encoding="utf-8")
        for quantization in ("q8_0", "q4_k_m"):
            (folder / f"model_{side}_{quantization}.gguf").write_bytes(f"{side} {quantization}".encode())
    return folders


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """An empty folder."""
    (tmp_path / "output").mkdir()
    return tmp_path / "output"


def test_modelfile() -> None:
    """The model beside it by a relative name, its own chat format, and greedy sampling as in the test."""
    lines = modelfile("model_a_q8_0.gguf", CHAT, 2048)
    assert lines.startswith("FROM ./model_a_q8_0.gguf\n")
    assert f'TEMPLATE """{FAMILIES[0].template}"""\n' in lines
    assert f'SYSTEM """{SYSTEM_PROMPT}"""\n' in lines
    assert 'PARAMETER stop "<|im_end|>"\nPARAMETER stop "<|endoftext|>"\n' in lines
    assert "PARAMETER temperature 0\n" in lines
    assert "PARAMETER repeat_penalty 1.0\n" in lines


@pytest.mark.parametrize(("num_ctx", "expected"), [(2048, 2048), (100_000, 4096)])
def test_modelfile_context(num_ctx: int, expected: int) -> None:
    """The configured context, but no more than the model was made for."""
    assert f"PARAMETER num_ctx {expected}\n" in modelfile("m.gguf", CHAT, num_ctx)


def test_registry(config: Config, converted: dict[Side, Path], output: Path) -> None:
    """Both models at every quantisation, with digest, size and Modelfile; and the same on disk."""
    registry = write_registry(config, converted, output)
    assert [m.name for m in registry.models] == ["m-a:q8_0", "m-a:q4_k_m", "m-b:q8_0", "m-b:q4_k_m"]
    last = registry.models[-1]
    assert (last.stage, last.file, last.size_bytes) == ("convert-b", "model_b_q4_k_m.gguf", 8)
    assert last.sha256 == hashlib.sha256(b"b q4_k_m").hexdigest()
    assert last.modelfile == "modelfiles/m-b.q4_k_m.Modelfile"
    for model in registry.models:
        assert (output / model.modelfile).read_text(encoding="utf-8").startswith(f"FROM ./{model.file}\n")
    assert Registry.model_validate_json((output / "registry.json").read_text(encoding="utf-8")) == registry


def test_missing_file(config: Config, converted: dict[Side, Path], output: Path) -> None:
    """A model that the conversion should have made and has not is named with its stage."""
    (converted["b"] / "model_b_q8_0.gguf").unlink()
    with pytest.raises(IntegrityError) as caught:
        write_registry(config, converted, output)
    assert caught.value.where == "convert-b"
    assert "model_b_q8_0.gguf" in str(caught.value)


def test_read_chat(converted: dict[Side, Path]) -> None:
    """chat.json comes back as it was written."""
    assert read_chat(converted["a"]) == CHAT
