"""A GGUF file from elsewhere: what may be tested, how to chat with it, and its copy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.messages import Said
from tests.tiny_gguf import write_gguf
from tests.unit.converter.conftest import Converted

from so8t_converter.external import look_at, take
from so8t_shared.errors import InputError, IntegrityError
from so8t_shared.results.conversion import ChatInfo, ConversionResult

SAME = {"chat_template", "bos_token", "eos_token", "markers", "context_length", "layers"}


@pytest.mark.parametrize(("family", "lost"), [("llama", set()), ("phi3", {"<|assistant|>"})])
def test_it_is_chatted_with_like_its_checkpoint(
    converted: Callable[[str], Converted], family: str, lost: set[str], tmp_path: Path
) -> None:
    """By the metadata alone, as by the checkpoint's folder, but for stops that only generation_config.json names."""
    made = converted(family)
    take(look_at(made.gguf("q8_0"), "q8_0"), "model_b_q8_0.gguf", tmp_path)
    found, own = (ChatInfo.read(folder / "chat.json") for folder in (tmp_path, made.output))
    assert found.model_dump(include=SAME) == own.model_dump(include=SAME)
    assert found.stop_tokens == [token for token in own.stop_tokens if token not in lost]
    [file] = ConversionResult.read(tmp_path / "conversion.json").files
    [same] = [each for each in ConversionResult.read(made.output / "conversion.json").files if "q8_0" in each.file]
    assert (file.sha256, file.size_bytes, file.tensor_types) == (same.sha256, same.size_bytes, same.tensor_types)


def test_another_quantization(converted: Callable[[str], Converted], said: Said) -> None:
    """A comparison across quantizations is refused."""
    with said.raised(InputError) as caught:
        look_at(converted("llama").gguf("f16"), "q8_0")
    assert caught.value.exit_code == 2


def test_no_language_model(tmp_path: Path, said: Said) -> None:
    """A file without a vocabulary, such as an adapter, is refused before anything is copied."""
    with said.raised(InputError):
        look_at(write_gguf(tmp_path / "part.gguf"), "q8_0")


def test_a_cut_file(converted: Callable[[str], Converted], tmp_path: Path, said: Said) -> None:
    """A download that ended early is damaged."""
    (tmp_path / "cut.gguf").write_bytes(converted("llama").gguf("q8_0").read_bytes()[:-9])
    with said.raised(IntegrityError):
        look_at(tmp_path / "cut.gguf", "q8_0")


def test_a_stop_while_it_is_copied(converted: Callable[[str], Converted], tmp_path: Path) -> None:
    """What `progress` raises ends the copy; no record of a conversion is left."""

    def stop(done: int, total: int, message: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(look_at(converted("llama").gguf("q8_0"), "q8_0"), "model_b_q8_0.gguf", tmp_path, stop)
    assert not (tmp_path / "conversion.json").exists()
