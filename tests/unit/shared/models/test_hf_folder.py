"""A model folder before any weight is read, and what is said when something in it is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.messages import Said

from so8t_shared.errors import InputError
from so8t_shared.models.hf_folder import (
    INDEX,
    JsonFiles,
    holds_gates,
    read_json,
    refuse_quantized,
    weight_files,
)
from so8t_shared.tables.architectures import FOREIGN_SO8T, architecture_name


def test_object_is_read(tmp_path: Path) -> None:
    """A JSON object comes back as it is, Japanese text included."""
    path = tmp_path / "config.json"
    path.write_text('{"名前": 1}', encoding="utf-8")
    assert read_json(path) == {"名前": 1}


@pytest.mark.parametrize(
    "content",
    [
        b"version https://git-lfs.example/spec/v1\noid sha256:00\nsize 9\n",
        b'{"a": "\xff"}',
        b'{\n"a": 1,\n}',
        b"[1, 2]",
    ],
)
def test_wrong_content_is_named(tmp_path: Path, content: bytes, said: Said) -> None:
    """A pointer, other encodings, broken JSON and other values each get their own message."""
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with said.raised(InputError) as raised:
        read_json(path)
    assert str(path) in raised.value.where


def test_missing_file(tmp_path: Path, said: Said) -> None:
    """A missing file is an error, or an empty object where it may be missing."""
    with said.raised(InputError):
        read_json(tmp_path / "config.json")
    assert JsonFiles(tmp_path)["config.json"] == {}


def test_a_folders_files_are_read_once(tmp_path: Path) -> None:
    """What a file held at first is what everyone sees."""
    path = tmp_path / "tokenizer.json"
    path.write_text('{"a": 1}', encoding="utf-8")
    files = JsonFiles(tmp_path)
    assert files["tokenizer.json"] == {"a": 1}
    path.unlink()
    assert files["tokenizer.json"] == {"a": 1}


# config.json


@pytest.mark.parametrize(
    ("config", "name", "gates"),
    [
        ({"architectures": ["LlamaForCausalLM", "Other"]}, "LlamaForCausalLM", False),
        ({"architectures": [FOREIGN_SO8T]}, FOREIGN_SO8T, True),
        ({"architectures": ["Phi3ForCausalLM"], "so8t_integrated": True}, "Phi3ForCausalLM", True),
        ({"architectures": []}, None, False),
        ({"architectures": "Phi3ForCausalLM"}, None, False),
        ({"architectures": [3]}, None, False),
        ({}, None, False),
    ],
)
def test_what_kind_it_is(config: dict[str, Any], name: str | None, gates: bool) -> None:
    """The first architecture named, and whether the original project's gates are in it."""
    assert (architecture_name(config), holds_gates(config)) == (name, gates)


@pytest.mark.parametrize(
    "settings",
    [{"quant_method": "bitsandbytes"}, {"bits": 4}, 8],
)
def test_quantized_checkpoints_are_refused(tmp_path: Path, settings: object, said: Said) -> None:
    """With the method's name, where there is one, and the key."""
    with said.raised(InputError, where=f"{tmp_path / 'config.json'}, key quantization_config"):
        refuse_quantized({"quantization_config": settings}, tmp_path / "config.json")


def test_an_empty_quantization_is_none(tmp_path: Path) -> None:
    """Some tools write the key with nothing in it."""
    for config in ({"quantization_config": None}, {"quantization_config": {}}, {}):
        refuse_quantized(config, tmp_path / "config.json")


# Weights


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).touch()


def _index(folder: Path, places: dict[str, object]) -> None:
    (folder / INDEX).write_text(json.dumps({"weight_map": places}))


def test_the_files_that_count(tmp_path: Path) -> None:
    """The single file; numbered ones; with an index those that it names, whatever else lies there."""
    _touch(tmp_path, "model.safetensors", "notes.safetensors")
    assert weight_files(tmp_path) == [tmp_path / "model.safetensors"]
    _touch(tmp_path, "part-b.safetensors", "part-a.safetensors")
    _index(tmp_path, {"x": "part-b.safetensors", "y": "part-a.safetensors", "z": "part-a.safetensors"})
    assert weight_files(tmp_path) == [tmp_path / "part-a.safetensors", tmp_path / "part-b.safetensors"]


def test_missing_shard_is_named(tmp_path: Path, said: Said) -> None:
    """A shard that the index or the numbering promises and the folder lacks is named."""
    _touch(tmp_path, "model-00001-of-00002.safetensors")
    with said.raised(InputError):
        weight_files(tmp_path)
    _index(tmp_path, {"a": "model-00001-of-00002.safetensors", "b": "model-00003-of-00003.safetensors"})
    with said.raised(InputError):
        weight_files(tmp_path)


@pytest.mark.parametrize("place", ["../one.safetensors", 3])
def test_index_names_only_files_of_the_folder(tmp_path: Path, place: object, said: Said) -> None:
    """An index cannot point outside the folder, nor hold anything but names."""
    _index(tmp_path, {"a": place})
    with said.raised(InputError):
        weight_files(tmp_path)


def test_ambiguous_files(tmp_path: Path, said: Said) -> None:
    """Several weight files and no index: it is not guessed which count."""
    _touch(tmp_path, "model.safetensors", "model-old.safetensors")
    with said.raised(InputError):
        weight_files(tmp_path)


def test_no_weights(tmp_path: Path, said: Said) -> None:
    """Pickled files are distinguished from missing weights."""
    with said.raised(InputError):
        weight_files(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with said.raised(InputError):
        weight_files(tmp_path)
