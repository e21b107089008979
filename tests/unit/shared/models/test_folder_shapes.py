"""Values in a model folder's files that no model can have: one message, whatever they are."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.messages import Said

from so8t_shared.errors import InputError
from so8t_shared.models.chat import read_chat
from so8t_shared.models.hf_folder import JsonFiles, read_json, token_ids
from so8t_shared.models.tensor_headers import check_layers, check_sizes

FILES = (
    *("config.json", "tokenizer.json", "tokenizer_config.json"),
    *("generation_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.json"),
)
ODD: list[Any] = [
    *(None, True, 0, -1, 1.5, 2**31, 10**400, float("nan"), float("inf"), "", "x", "\x00", [], {}, [[]]),
    *([None], [1], ["x"], [{}], {"x": 1}, {"content": 1}, {"content": "x"}, [{"content": "x", "id": "y"}], {"y": "z"}),
]
"""Values of every type, and sizes that memory does not hold."""


def spoil(folder: Path, name: str, place: list[str | int], value: Any) -> None:
    """Put a value into a file, replacing what is at that place or adding it."""
    path = folder / name
    values: Any = json.loads(path.read_text("utf-8")) if path.exists() else {}
    node = values
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    path.unlink(missing_ok=True)
    path.write_text(json.dumps(values), "utf-8")


@pytest.fixture
def model(tiny_llama: Path, tmp_path: Path) -> Path:
    """A private copy whose weights are a link."""
    return copy_of(tiny_llama, tmp_path / "model")


def copy_of(model: Path, target: Path) -> Path:
    """A copy of a model's folder without a copy of its weights."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for path in model.iterdir():
        if path.suffix == ".safetensors":
            (target / path.name).symlink_to(path)
        else:
            shutil.copyfile(path, target / path.name)
    return target


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("config.json", "num_hidden_layers", 2**31),
        ("config.json", "num_hidden_layers", 10**400),
        ("config.json", "hidden_size", -64),
        ("config.json", "vocab_size", "many"),
        ("config.json", "intermediate_size", 1.5),
        ("config.json", "rope_theta", float("nan")),
        ("config.json", "rope_theta", -1),
        ("config.json", "rope_theta", "hot"),
        ("config.json", "rope_scaling", {"rope_type": "linear", "factor": float("inf")}),
        ("config.json", "max_position_embeddings", [1]),
        ("generation_config.json", "eos_token_id", "two"),
        ("tokenizer.json", "added_tokens", ["x"]),
        ("tokenizer.json", "model", []),
        ("tokenizer_config.json", "added_tokens_decoder", {"x": 1}),
        ("tokenizer_config.json", "chat_template", 5),
        ("special_tokens_map.json", "additional_special_tokens", 5),
        ("added_tokens.json", "<x>", "1"),
    ],
    ids=str,
)
def test_impossible_values_are_named(model: Path, name: str, key: str, value: Any) -> None:
    """The message names the file and the key."""
    spoil(model, name, [key], value)
    with pytest.raises(InputError) as caught:
        read_json(model / name)
    assert caught.value.where == str(model / name)
    assert len(str(caught.value)) < 2000


def test_all_at_once(model: Path, said: Said) -> None:
    """Every faulty key of a file is told."""
    for key, value in (("num_hidden_layers", 2**31), ("rope_theta", "hot"), ("vocab_size", -1)):
        spoil(model, "config.json", [key], value)
    with said.raised(InputError):
        read_json(model / "config.json")


@pytest.mark.parametrize("key", ["num_hidden_layers", "vocab_size", "hidden_size", "intermediate_size"])
def test_sizes_of_other_weights(model: Path, key: str, said: Said) -> None:
    """A size that a model could have, but not this one, is told before anything of that size is made."""
    spoil(model, "config.json", [key], 9_999)
    with said.raised(InputError, where=str(model / "config.json")):
        check_sizes(read_json(model / "config.json"), model)


def test_broken_headers_say_nothing(model: Path) -> None:
    """Weights whose header cannot be read are named by whoever reads their tensors."""
    (model / "model.safetensors").unlink()
    for data in (b"", b"\xff" * 8, (2).to_bytes(8, "little") + b"[]", (9).to_bytes(8, "little") + b'{"a": 1}'):
        (model / "model.safetensors").write_bytes(data)
        assert check_layers(read_json(model / "config.json"), model) == {}


def _places(value: Any, depth: int = 3) -> list[list[str | int]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    return [[k, *rest] for k, part in list(pairs)[:40] for rest in [[], *(_places(part, depth - 1) if depth else [])]]


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_value_ends_reading_otherwise(tiny_llama: Path, tmp_path: Path, data: st.DataObject) -> None:
    """Any value at any place of any file: the folder is read, or refused as bad input."""
    folder = copy_of(tiny_llama, tmp_path / "fuzzed")
    for _ in range(data.draw(st.integers(1, 2))):
        name = data.draw(st.sampled_from(FILES))
        path = folder / name
        places = _places(json.loads(path.read_text("utf-8"))) if path.exists() else []
        known = [["chat_template"], ["eos_token"], ["added_tokens"], ["eos_token_id"], ["rope_parameters"]]
        spoil(folder, name, data.draw(st.sampled_from([*places, *known])), data.draw(st.sampled_from(ODD)))
    with suppress(InputError):
        check_sizes(read_json(folder / "config.json"), folder)
        token_ids(JsonFiles(folder))
        read_chat(folder)
