"""How to talk to a model, as transformers' AutoTokenizer finds it in the same files; what ends an answer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.messages import Said
from tests.tiny_models import BY_ARCHITECTURE, make_llama
from tests.tiny_tokenizers import CHATML, PHI35

from so8t_shared.errors import InputError
from so8t_shared.models.chat import end_of_turn, read_chat, special_markers
from so8t_shared.models.hf_folder import JsonFiles
from so8t_shared.models.prompts import PLAIN_TEMPLATE

MAKERS = {**BY_ARCHITECTURE, "GPT2Tokenizer": partial(make_llama, tokenizer_class="GPT2Tokenizer")}
KINDS = ("LlamaForCausalLM", "Qwen2ForCausalLM", "Phi3ForCausalLM", "GPT2Tokenizer")
"""Those whose tokenizers differ."""
CONFIG, MAP = "tokenizer_config.json", "special_tokens_map.json"
OTHER = "<|endoftext|>"
OBJECT = {"content": OTHER, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
NAMED = [{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A tiny model by name, made on first use; not to be changed."""
    root = tmp_path_factory.mktemp("models")

    def get(name: str) -> Path:
        return root / name if (root / name).exists() else MAKERS[name](root / name)

    return get


@pytest.fixture
def copy_of(models: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy that a test may change."""
    return lambda name: Path(shutil.copytree(models(name), tmp_path / name))


def _edit(folder: Path, name: str, without: tuple[str, ...] = (), **values: Any) -> None:
    path = folder / name
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    after = {key: value for key, value in (before | values).items() if key not in without}
    path.write_text(json.dumps(after), encoding="utf-8")


def _of_transformers(folder: Path) -> tuple[str | None, str, str]:
    """Template, bos and eos."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template["default"]
    return template, tokenizer.bos_token or "", tokenizer.eos_token or ""


def _ours(folder: Path) -> tuple[str | None, str, str]:
    chat = read_chat(folder)
    return chat.template, chat.bos_token, chat.eos_token


@pytest.mark.parametrize("name", MAKERS)
def test_every_architecture_as_transformers_reads_it(models: Callable[[str], Path], name: str) -> None:
    """Template, bos and eos."""
    assert _ours(models(name)) == _of_transformers(models(name))


def _template_file(folder: Path) -> None:
    (folder / "chat_template.jinja").write_bytes(b"X\r\nY\n")


def _templates_beside_one_another(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("X\n", encoding="utf-8")
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tool_use.jinja").write_text("T", encoding="utf-8")


def _only_in_the_map(folder: Path) -> None:
    _edit(folder, CONFIG, without=("bos_token", "eos_token", "added_tokens_decoder"))
    _edit(folder, MAP, bos_token=OTHER, eos_token=OBJECT)


def _map_beside_config(folder: Path, bos: str | None = OTHER, **config: Any) -> None:
    _edit(folder, CONFIG, without=("added_tokens_decoder",), **config)
    _edit(folder, MAP, bos_token=bos, eos_token=OBJECT)


TYPED = {"__type": "AddedToken", "special": True, **OBJECT}
PLACES: dict[str, Callable[[Path], None]] = {
    "a list of templates": lambda folder: _edit(folder, CONFIG, chat_template=NAMED),
    "templates by name": lambda folder: _edit(folder, CONFIG, chat_template={"tool_use": "T", "default": "D"}),
    "a file wins": _template_file,
    "files of several templates": _templates_beside_one_another,
    "a processor's template": lambda folder: _edit(folder, "chat_template.json", chat_template="J"),
    "no template": lambda folder: _edit(folder, CONFIG, without=("chat_template",)),
    "bos null": lambda folder: _edit(folder, CONFIG, bos_token=None),
    "bos empty": lambda folder: _edit(folder, CONFIG, bos_token=""),
    "objects": lambda folder: _edit(folder, CONFIG, bos_token=TYPED, eos_token=TYPED),
    "the map beside added tokens": lambda folder: _edit(folder, MAP, bos_token=OTHER, eos_token=OTHER),
    "the map alone": _only_in_the_map,
    "the map wins": _map_beside_config,
    "the map wins over null": lambda folder: _map_beside_config(folder, bos_token=None),
    "null in the map wins": lambda folder: _map_beside_config(folder, bos=None),
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("place", PLACES)
def test_every_place_as_transformers_reads_it(copy_of: Callable[[str], Path], name: str, place: str) -> None:
    """Which file wins, and in what forms templates and tokens are written."""
    folder = copy_of(name)
    PLACES[place](folder)
    assert _ours(folder) == _of_transformers(folder)


def test_what_transformers_does_not_read(copy_of: Callable[[str], Path]) -> None:
    """A processor's template where there is no other, an end by its id, an object that does not say its type."""
    folder = copy_of("Phi3ForCausalLM")
    _edit(folder, CONFIG, without=("chat_template", "eos_token"), bos_token=OBJECT)
    _edit(folder, "chat_template.json", chat_template="J")
    assert _ours(folder) == ("J", OTHER, "<|end|>")


def test_no_default_template(copy_of: Callable[[str], Path]) -> None:
    """Of named templates without a default one, none counts."""
    folder = copy_of("LlamaForCausalLM")
    _edit(folder, CONFIG, chat_template=NAMED[:1])
    assert read_chat(folder).template is None


def test_no_end_at_all(copy_of: Callable[[str], Path], said: Said) -> None:
    """A model that never ends an answer is refused, for training and conversion alike."""
    folder = copy_of("LlamaForCausalLM")
    tokenizer = (folder / "tokenizer.json").read_text(encoding="utf-8")
    for old, new in (("<|im_end|>", "<one>"), (OTHER, "<two>")):
        tokenizer = tokenizer.replace(old, new)
    (folder / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
    _edit(folder, CONFIG, eos_token=None, added_tokens_decoder={}, chat_template=None)
    _edit(folder, "config.json", eos_token_id=None)
    (folder / "generation_config.json").unlink()
    with said.raised(InputError):
        read_chat(folder)


# What ends an answer

LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n'"
    " + m['content'] | trim + '<|eot_id|>' }}{% endfor %}"
)
LLAMA2 = (
    "{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% elif m['role'] == 'assistant' %}{{ ' ' + m['content'] + ' ' + eos_token }}"
    "{% else %}{{ raise_exception('no system role') }}{% endif %}{% endfor %}"
)
GEMMA_LIKE = "{% for m in messages %}<start>{{ m['role'] }}\n{{ m['content'] }}<end>\n{% endfor %}"


@pytest.mark.parametrize(
    ("template", "eos", "markers", "end"),
    [
        (CHATML, "<|endoftext|>", ["<|im_start|>", "<|im_end|>", "<|endoftext|>"], ("", "<|im_end|>")),
        (PHI35, "<|endoftext|>", ["<|end|>", "<|endoftext|>", "<|user|>"], ("", "<|end|>")),
        (LLAMA3, "<|end_of_text|>", ["<|eot_id|>", "<|start_header_id|>"], ("", "<|eot_id|>")),
        (LLAMA2, "</s>", ["<s>", "</s>"], (" ", "</s>")),
        (GEMMA_LIKE, "<eos>", ["<end>", "<start>"], ("", "<end>")),
        (PLAIN_TEMPLATE, "</s>", ["<s>", "</s>"], ("", "</s>")),
    ],
)
def test_the_end_of_a_turn_is_read_from_the_template(
    template: str, eos: str, markers: list[str], end: tuple[str, str]
) -> None:
    """The text after the answer and its first control token; the EOS token where there is none."""
    assert end_of_turn(template, "<s>", eos, markers) == end


@pytest.mark.parametrize("eos", [OTHER, None])
def test_the_end_of_a_turn_is_a_stop(copy_of: Callable[[str], Path], eos: str | None) -> None:
    """Also a token that only the template names, so that a trained model stops where it was taught to."""
    folder = copy_of("LlamaForCausalLM")
    for path in (folder / "tokenizer.json", folder / CONFIG):
        path.write_text(path.read_text(encoding="utf-8").replace("<|im_end|>", "<turn_end>"), encoding="utf-8")
    _edit(folder, CONFIG, eos_token=eos)
    for name in ("config.json", "generation_config.json"):
        _edit(folder, name, eos_token_id=None)
    chat = read_chat(folder)
    assert (chat.end_of_turn, chat.stop_tokens) == ("<turn_end>", [OTHER, "<turn_end>"])


# Control tokens


@pytest.mark.parametrize("name", KINDS)
def test_special_markers_of_real_tokenizers(models: Callable[[str], Path], name: str) -> None:
    """All special tokens that transformers knows are found in the folder's files."""
    from transformers import AutoTokenizer

    markers = special_markers(JsonFiles(models(name)))
    assert set(AutoTokenizer.from_pretrained(models(name)).all_special_tokens) <= set(markers)
    assert markers == sorted(set(markers))


def test_special_markers_of_every_file(tmp_path: Path) -> None:
    """tokenizer.json, tokenizer_config.json and special_tokens_map.json are read; ordinary added tokens are not."""
    assert special_markers(JsonFiles(tmp_path)) == []
    token = {"content": "<a>", "special": True}
    _edit(tmp_path, "tokenizer.json", added_tokens=[token, {"content": "<no>", "special": False}])
    added = {"5": {"content": "<b>", "special": True}}
    _edit(tmp_path, CONFIG, added_tokens_decoder=added, eos_token="<c>", bos_token=None)
    _edit(tmp_path, MAP, pad_token={"content": "<d>"}, additional_special_tokens=["<e>"])
    assert special_markers(JsonFiles(tmp_path)) == ["<a>", "<b>", "<c>", "<d>", "<e>"]


@pytest.mark.parametrize("data", [b"{", b"\xff\xfe", b"", b"[]"])
def test_a_damaged_tokenizer_is_named(tmp_path: Path, data: bytes) -> None:
    """A cut tokenizer file is an InputError with its path."""
    (tmp_path / "tokenizer.json").write_bytes(data)
    with pytest.raises(InputError) as caught:
        special_markers(JsonFiles(tmp_path))
    assert str(caught.value.where).startswith(str(tmp_path / "tokenizer.json"))
