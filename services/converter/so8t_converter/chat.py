"""chat.json: what an engine must know to talk to the model, read from its tokenizer's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from so8t_converter.checkpoint import Checkpoint
from so8t_converter.tokenizer import token_ids
from so8t_shared.errors import InputError
from so8t_shared.models.hf_folder import read_json_if_there
from so8t_shared.models.prompts import PLAIN_TEMPLATE, build_messages, render_chat, special_markers
from so8t_shared.results.conversion import ChatInfo

_TURN_ENDS = ("<|end|>", "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|endoftext|>", "<|end_of_text|>")
"""Tokens that end a turn in the supported families, whatever generation_config says."""


def chat_info(checkpoint: Checkpoint, so8t: dict[str, str | int | float]) -> ChatInfo:
    """What chat.json of this checkpoint says; `so8t` describes the gates that were folded.

    Raises:
        InputError: a tokenizer file is broken, or no end-of-text token is named anywhere.
    """
    folder = checkpoint.folder
    settings = _tokenizer_settings(folder)
    texts = {index: text for text, index in token_ids(folder).items()}
    stops = _stop_tokens(checkpoint, settings, texts)
    if not stops:
        raise InputError(
            "No token ends an answer: neither the tokenizer nor generation_config.json names one.",
            where=str(folder),
            remedy="set eos_token in tokenizer_config.json",
        )
    return ChatInfo(
        architecture=checkpoint.architecture.name,
        chat_template=chat_template(folder),
        bos_token=_text(settings.get("bos_token")) or "",
        eos_token=stops[0],
        stop_tokens=stops,
        markers=special_markers(folder),
        context_length=_context_length(checkpoint),
        parameters=checkpoint.parameters,
        layers=checkpoint.sizes.layers,
        so8t=so8t,
    )


def chat_template(folder: Path) -> str | None:
    """The default chat template, from the place where transformers looks first."""
    template: Any = None
    if (jinja := folder / "chat_template.jinja").is_file():
        template = jinja.read_text(encoding="utf-8")
    elif (legacy := folder / "chat_template.json").is_file():
        template = read_json_if_there(legacy).get("chat_template")
    else:
        template = read_json_if_there(folder / "tokenizer_config.json").get("chat_template")
    if isinstance(template, list):
        named = {entry["name"]: entry["template"] for entry in template}
        template = named.get("default")
    return template if isinstance(template, str) else None


def writes_bos(folder: Path) -> bool:
    """Whether prompts rendered with the model's chat template begin with its beginning-of-text token.

    Raises:
        InputError: the template cannot be rendered.
    """
    settings = _tokenizer_settings(folder)
    bos, eos = (_text(settings.get(key)) or "" for key in ("bos_token", "eos_token"))
    template = chat_template(folder) or PLAIN_TEMPLATE
    return bool(bos) and render_chat(template, build_messages("?", []), bos_token=bos, eos_token=eos).startswith(bos)


def _tokenizer_settings(folder: Path) -> dict[str, Any]:
    """Special tokens of special_tokens_map.json, overridden by tokenizer_config.json."""
    return read_json_if_there(folder / "special_tokens_map.json") | read_json_if_there(folder / "tokenizer_config.json")


def _stop_tokens(checkpoint: Checkpoint, settings: dict[str, Any], texts: dict[int, str]) -> list[str]:
    generation = read_json_if_there(checkpoint.folder / "generation_config.json")
    ids = [*_ids(generation.get("eos_token_id")), *_ids(checkpoint.config.get("eos_token_id"))]
    known = set(texts.values())
    candidates = [_text(settings.get("eos_token")), *(texts.get(index) for index in ids)]
    candidates += [text for text in _TURN_ENDS if text in known]
    return list(dict.fromkeys(text for text in candidates if text))


def _ids(value: Any) -> list[int]:
    return [value] if isinstance(value, int) else list(value or [])


def _text(token: Any) -> str | None:
    """Text of a special token, written as such or as an object."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else None


def _context_length(checkpoint: Checkpoint) -> int:
    value = checkpoint.config.get("max_position_embeddings")
    if not isinstance(value, int) or value <= 0:
        raise InputError(
            f"config.json has no usable max_position_embeddings: {value!r}.",
            where=f"{checkpoint.folder / 'config.json'}, key max_position_embeddings",
            remedy="restore the model's original config.json",
        )
    return value
