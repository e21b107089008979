"""The vocabulary of a byte-level BPE from its files, where transformers would add nothing of its own to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from so8t_shared.models.hf_folder import JsonFiles

_ASSUMED: dict[str | None, tuple[str, ...]] = {
    "PreTrainedTokenizerFast": (),
    "TokenizersBackend": (),
    "GPT2Tokenizer": ("<|endoftext|>",),
    "Qwen2Tokenizer": ("<|endoftext|>",),
}
"""Special tokens that transformers adds for a tokenizer class although no file names them."""


def plain_tokenizer(folder: Path) -> PlainTokenizer | None:
    """Return tokenizer.json's tokenizer if it has all special tokens, as such, that the other files name; else None."""
    files = JsonFiles(folder)
    added = files["tokenizer.json"].get("added_tokens") or []
    settings = files["tokenizer_config.json"]
    name = settings.get("tokenizer_class")
    assumed = _ASSUMED.get(name.removesuffix("Fast") if name in {"GPT2TokenizerFast", "Qwen2TokenizerFast"} else name)
    if assumed is None or not (folder / "tokenizer.json").is_file():
        return None
    special = {token["content"] for token in added if token["special"]}
    flags = {token["id"]: (token["content"], token["special"]) for token in added}
    cleaned = settings.get("clean_up_tokenization_spaces") and any(" " in token["content"] for token in added)
    wanted = {*assumed, *_named(settings), *_named(files["special_tokens_map.json"])}
    same = all(
        flags.get(int(index)) == (token["content"], token.get("special", False))
        for index, token in settings.get("added_tokens_decoder", {}).items()
    )
    if cleaned or not same or not wanted <= special or files["added_tokens.json"]:
        return None
    return PlainTokenizer(Tokenizer.from_file(str(folder / "tokenizer.json")))


def _named(settings: dict[str, Any]) -> set[str]:
    """Return the texts of all special tokens that these settings name."""
    found: set[str] = set()
    for key, value in settings.items():
        if key.endswith("_token") and not key.startswith("add_"):
            found |= _texts([value])
        elif key in {"additional_special_tokens", "extra_special_tokens"}:
            found |= _texts(list(value.values()) if isinstance(value, dict) else value or [])
    return found


def _texts(values: list[Any]) -> set[str]:
    return {value["content"] if isinstance(value, dict) else str(value) for value in values if value}


class PlainTokenizer:
    """What llama.cpp's converter asks a tokenizer of transformers, answered by tokenizer.json."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.vocab: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
        self.added_tokens_decoder = tokenizer.get_added_tokens_decoder()

    def get_added_vocab(self) -> dict[str, int]:
        return {token.content: index for index, token in self.added_tokens_decoder.items()}

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=add_special_tokens).ids)

    def decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=False))
