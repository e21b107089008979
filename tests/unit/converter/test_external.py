"""A model B that is a GGUF file already."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tiny_gguf import write_gguf
from tests.unit.converter.conftest import Converted
from tests.unit.shared.material import make_config

from so8t_converter.check import check_model_b
from so8t_converter.external import take_gguf
from so8t_converter.file_sizes import sizes_b
from so8t_converter.gguf_chat import chat_of_gguf
from so8t_shared.config.model import Config
from so8t_shared.errors import InputError, IntegrityError
from so8t_shared.models.gguf_file import read_header
from so8t_shared.models.prompts import build_messages, render_chat
from so8t_shared.results.conversion import ChatInfo

_FROM_THE_FILE = ("chat_template", "eos_token", "context_length", "parameters", "layers")


def _config(folder: Path, file: Path) -> Config:
    b = {"gguf": str(file)}
    return make_config(folder, model_b=b, training={"max_steps": 0}, gguf={"quantizations": ["q8_0"]})


def _prompt(chat: ChatInfo) -> str:
    messages = build_messages("May I?", chat.markers)
    return render_chat(chat.chat_template or "", messages, bos_token=chat.bos_token, eos_token=chat.eos_token)


@pytest.mark.parametrize("name", ["llama", "qwen2"])
def test_the_chat_is_that_of_the_checkpoint(converted: Callable[[str], Converted], name: str) -> None:
    """A file's metadata lead to the same template, tokens, stops and sizes as the checkpoint it was made from."""
    made = converted(name)
    expected = ChatInfo.read(made.gguf("q8_0").parent / "chat.json")
    found = chat_of_gguf(read_header(made.gguf("q8_0")))
    assert found.model_dump(include=set(_FROM_THE_FILE)) == expected.model_dump(include=set(_FROM_THE_FILE))
    assert _prompt(found) == _prompt(expected)
    assert set(found.stop_tokens) == set(expected.stop_tokens)
    assert set(found.markers) >= set(expected.markers) - {""}


def test_the_file_is_taken_as_it_is(converted: Callable[[str], Converted], tmp_path: Path) -> None:
    """The copy has the file's bytes, digest and size under the name of B's quantization."""
    source = converted("llama").gguf("q8_0")
    result = take_gguf(source, "q8_0", tmp_path)
    (file,) = result.files
    assert (tmp_path / file.file).read_bytes() == source.read_bytes()
    assert (file.file, file.size_bytes) == ("model_b_q8_0.gguf", source.stat().st_size)
    assert ChatInfo.read(tmp_path / "chat.json").chat_template
    assert sizes_b(_config(tmp_path, source)) == {"q8_0": file.size_bytes}


def test_a_stop_leaves_nothing_committed(converted: Callable[[str], Converted], tmp_path: Path) -> None:
    """The progress may end the copying; no chat.json says then that it is complete."""

    def stop(done: int, total: int, message: str) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        take_gguf(converted("llama").gguf("q8_0"), "q8_0", tmp_path, stop)
    assert not (tmp_path / "chat.json").exists()


def test_a_file_that_cannot_be_asked(tmp_path: Path) -> None:
    """Before a run: one without a chat template, one that is none, and one that ends early."""
    bare = write_gguf(tmp_path / "bare.gguf", {"general.name": "x"})
    with pytest.raises(InputError, match=r"tokenizer\.chat_template"):
        check_model_b(_config(tmp_path, bare))
    (tmp_path / "text.gguf").write_text("no model")
    with pytest.raises(InputError):
        check_model_b(_config(tmp_path, tmp_path / "text.gguf"))
    (tmp_path / "cut.gguf").write_bytes(bare.read_bytes()[:200])
    with pytest.raises(IntegrityError):
        check_model_b(_config(tmp_path, tmp_path / "cut.gguf"))


def test_another_type_is_told(converted: Callable[[str], Converted], tmp_path: Path) -> None:
    """A file of another type than A's beside it is tested, with a note."""
    made = converted("llama")
    assert check_model_b(_config(tmp_path, made.gguf("q8_0"))) == []
    assert len(check_model_b(_config(tmp_path, made.gguf("f16")))) == 1
