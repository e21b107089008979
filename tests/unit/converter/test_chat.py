"""chat.json: template, ends and markers from whatever files the model has."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from so8t_converter.chat import chat_info, chat_template
from so8t_converter.checkpoint import inspect
from so8t_shared.errors import InputError


def _edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("name", "bos", "stops"),
    [
        ("llama", "<|im_start|>", ["<|im_end|>", "<|endoftext|>"]),
        ("qwen2", "", ["<|im_end|>", "<|endoftext|>"]),
        ("phi3", "<s>", ["<|endoftext|>", "<|end|>", "<|assistant|>"]),
    ],
)
def test_families(made: Callable[[str], Path], name: str, bos: str, stops: list[str]) -> None:
    """Beginning, ends (the tokenizer's first, then generation_config's) and template of each family."""
    info = chat_info(inspect(made(name)), {})
    assert (info.bos_token, info.eos_token, info.stop_tokens) == (bos, stops[0], stops)
    assert info.chat_template == AutoTokenizer.from_pretrained(made(name)).chat_template
    assert set(stops) <= set(info.markers)
    assert (info.context_length, info.layers, info.so8t) == (1024, 2, {})


def test_restored_architecture_and_gates(made: Callable[[str], Path]) -> None:
    """A foreign checkpoint is described by its ordinary architecture and the gates that were folded."""
    gates: dict[str, str | int | float] = {"gates": 2, "rotation": "cayley", "largest_angle": 1.0}
    info = chat_info(inspect(made("foreign")), gates)
    assert (info.architecture, info.so8t) == ("Phi3ForCausalLM", gates)


def test_template_places(copy_of: Callable[[str], Path]) -> None:
    """A .jinja file wins, then chat_template.json, then the config; of a list the default one; or none."""
    folder = copy_of("llama")
    settings = folder / "tokenizer_config.json"
    named = [{"name": "tools", "template": "T"}, {"name": "default", "template": "D"}]
    _edit(settings, chat_template=named)
    assert chat_template(folder) == "D"
    (folder / "chat_template.json").write_text('{"chat_template": "J"}')
    assert chat_template(folder) == "J"
    (folder / "chat_template.jinja").write_text("X")
    assert chat_template(folder) == "X"
    for name in ("chat_template.json", "chat_template.jinja"):
        (folder / name).unlink()
    _edit(settings, chat_template=None)
    assert chat_template(folder) is None


def test_special_token_as_an_object(copy_of: Callable[[str], Path]) -> None:
    """Older files write special tokens as objects, or only in special_tokens_map.json."""
    folder = copy_of("llama")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    del settings["bos_token"]
    settings["eos_token"] = {"content": "<|endoftext|>", "special": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "special_tokens_map.json").write_text('{"bos_token": {"content": "<|im_start|>"}}')
    info = chat_info(inspect(folder), {})
    assert (info.bos_token, info.eos_token) == ("<|im_start|>", "<|endoftext|>")


def test_no_end_at_all(copy_of: Callable[[str], Path]) -> None:
    """A model that never ends an answer is refused."""
    folder = copy_of("llama")
    tokenizer = (folder / "tokenizer.json").read_text()
    for old, new in (("<|im_end|>", "<one>"), ("<|endoftext|>", "<two>")):
        tokenizer = tokenizer.replace(old, new)
    (folder / "tokenizer.json").write_text(tokenizer)
    _edit(folder / "tokenizer_config.json", eos_token=None, added_tokens_decoder={})
    _edit(folder / "config.json", eos_token_id=None)
    (folder / "generation_config.json").unlink()
    with pytest.raises(InputError, match="No token ends an answer"):
        chat_info(inspect(folder), {})


def test_context_length(copy_of: Callable[[str], Path]) -> None:
    """A config without max_position_embeddings is refused by that name."""
    folder = copy_of("llama")
    _edit(folder / "config.json", max_position_embeddings=None)
    with pytest.raises(InputError, match="max_position_embeddings"):
        chat_info(inspect(folder), {})
