"""Modelfiles, and the list of models that an engine can load."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from tests.messages import Said
from tests.tiny_tokenizers import CHATML
from tests.unit.evaluator.material import make_chat, make_gguf

from so8t_engines import protocol
from so8t_evaluator.importing import model_file, modelfile, read_chat, recipe, write_registry
from so8t_evaluator.template import chat_format, go
from so8t_shared.config.model import Config
from so8t_shared.errors import IntegrityError
from so8t_shared.json_files import write_json
from so8t_shared.models.prompts import SYSTEM_PROMPT
from so8t_shared.results.conversion import SERVED_FILE, Served
from so8t_shared.results.registry import Registry
from so8t_shared.results.sides import Side

CHAT = make_chat(chat_template=CHATML, stop_tokens=["<|im_end|>", "<|endoftext|>"])


@pytest.fixture
def config() -> Config:
    """Two quantizations, models named m-a and m-b."""
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
            make_gguf(folder / f"model_{side}_{quantization}.gguf", f"{side} {quantization}")
    return folders


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """An empty folder."""
    (tmp_path / "output").mkdir()
    return tmp_path / "output"


def test_modelfile(tmp_path: Path) -> None:
    """The model beside it by a relative name, its own chat format, and greedy sampling as in the test."""
    lines = modelfile("model_a_q8_0.gguf", recipe(make_gguf(tmp_path / "m.gguf"), CHAT, 2048))
    assert lines.startswith("FROM ./model_a_q8_0.gguf\n")
    assert f'TEMPLATE """{go(chat_format(CHAT, server_adds_bos=False)[0])}"""\n' in lines
    assert f'SYSTEM """{SYSTEM_PROMPT}"""\n' in lines
    assert 'PARAMETER stop "<|im_end|>"\nPARAMETER stop "<|endoftext|>"\n' in lines
    assert "PARAMETER temperature 0\n" in lines
    assert "PARAMETER repeat_penalty 1\n" in lines


@pytest.mark.parametrize(("num_ctx", "expected"), [(2048, 2048), (100_000, 4096)])
def test_modelfile_context(tmp_path: Path, num_ctx: int, expected: int) -> None:
    """The configured context, but no more than the model was made for."""
    written = modelfile("m.gguf", recipe(make_gguf(tmp_path / "m.gguf"), CHAT, num_ctx))
    assert f"PARAMETER num_ctx {expected}\n" in written


@pytest.mark.parametrize("adds", [True, False])
def test_beginning_stands_once(tmp_path: Path, adds: bool) -> None:
    """What llama.cpp puts in front of every text by itself is no part of the TEMPLATE; otherwise it is."""
    chat = make_chat(chat_template="{{ bos_token }}" + CHATML, bos_token="<|start|>")
    written = recipe(make_gguf(tmp_path / "m.gguf", add_bos_token=adds), chat, 2048).template
    assert ("<|start|>" in written) is not adds


def test_warning(config: Config, converted: dict[Side, Path], output: Path) -> None:
    """A chat template that Ollama cannot have is reported once for the model, not for each quantization."""
    chat = make_chat(chat_template="{{ messages | tojson }}")
    (converted["b"] / "chat.json").write_text(chat.model_dump_json(), encoding="utf-8")
    said = list[str]()
    write_registry(config, converted, output, warn=said.append)
    assert len(said) == 1
    assert said[0].startswith("model B: ")
    assert "plain" in said[0]


def test_registry(config: Config, converted: dict[Side, Path], output: Path) -> None:
    """Both models at every quantization, with digest, size and Modelfile; and the same on disk."""
    registry = write_registry(config, converted, output)
    assert [m.name for m in registry.models] == ["m-a:q8_0", "m-a:q4_k_m", "m-b:q8_0", "m-b:q4_k_m"]
    last = registry.models[-1]
    content = (converted["b"] / "model_b_q4_k_m.gguf").read_bytes()
    assert (last.stage, last.file, last.size_bytes) == ("convert-b", "model_b_q4_k_m.gguf", len(content))
    assert last.sha256 == hashlib.sha256(content).hexdigest()
    assert [m.aliases for m in registry.models] == [[], ["m-a"], [], ["m-b"]]
    assert (registry.server_version, last.server_digest) == (None, None)
    assert last.modelfile == "modelfiles/m-b.q4_k_m.Modelfile"
    for model in registry.models:
        assert (output / model.modelfile).read_text(encoding="utf-8").startswith(f"FROM ./{model.file}\n")
    assert Registry.model_validate_json((output / "registry.json").read_text(encoding="utf-8")) == registry


def test_missing_file(config: Config, converted: dict[Side, Path], output: Path, said: Said) -> None:
    """A model that the conversion should have made and has not is named with its stage."""
    (converted["b"] / "model_b_q8_0.gguf").unlink()
    with said.raised(IntegrityError, where="convert-b"):
        write_registry(config, converted, output)


def test_damaged_file(config: Config, converted: dict[Side, Path], output: Path, said: Said) -> None:
    """A header that makes no sense is refused here: an Ollama server that is given such a file ends itself."""
    (converted["a"] / "model_a_q8_0.gguf").write_bytes(b"GGUF\x03\x00\x00\x00" + b"\xff" * 64)
    with said.raised(IntegrityError):
        write_registry(config, converted, output)


def test_read_chat(converted: dict[Side, Path]) -> None:
    """chat.json comes back as it was written."""
    assert read_chat(converted["a"]) == CHAT


def test_a_model_that_the_server_had(config: Config, converted: dict[Side, Path], output: Path) -> None:
    """It keeps its name and has the server's digest; no Modelfile is written for it, and nothing is sent."""
    served = Served(name="theirs:1", digest="d" * 64, size_bytes=7, quantization="q8_0", system="", parameters="")
    write_json(converted["b"] / SERVED_FILE, served)
    registry = write_registry(config, converted, output)
    assert [m.name for m in registry.models] == ["m-a:q8_0", "m-a:q4_k_m", "theirs:1"]
    theirs = registry.models[-1]
    assert (theirs.served, theirs.server_digest, theirs.aliases) == (True, "d" * 64, [])
    assert not any(model.served for model in registry.models[:-1])
    assert {path.name for path in (output / "modelfiles").iterdir()} == {
        "m-a.q8_0.Modelfile",
        "m-a.q4_k_m.Modelfile",
    }
    file = model_file(theirs, converted["b"] / theirs.file, CHAT, 2048)
    assert (file.served, file.sha256, file.size_bytes) == (protocol.Served("d" * 64, 7), "d" * 64, 7)
