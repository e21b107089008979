"""How to chat with a model: template, bos, end of turn and stops, all from the files in its folder.

Training, conversion and, through chat.json, evaluation use this module, so a model is stopped by the same
token that it was trained to end its answers with.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from so8t_shared.errors import InputError
from so8t_shared.models.hf_folder import JsonFiles, token_ids
from so8t_shared.models.prompts import PLAIN_TEMPLATE, build_messages, render_chat, render_chats

TURN_ENDS = ("<|end|>", "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|endoftext|>", "<|end_of_text|>")
"""Tokens that end a turn in the supported families, whatever generation_config says."""

_ANSWER = "so8t-answer"


@dataclass(frozen=True)
class Chat:
    """How to chat with one model."""

    template: str | None
    """None if the model has no template; PLAIN_TEMPLATE is used then."""
    bos_token: str
    eos_token: str
    stop_tokens: list[str]
    """Texts that end an answer, eos_token first, including the token of `end_of_turn`."""
    markers: list[str]
    """Texts of the control tokens."""
    end_of_turn: str
    """Text that the template adds after an answer, through the token that ends it, for example `<|im_end|>`."""

    def prompt(self, text: str, turns: Sequence[tuple[str, str]] = ()) -> str:
        """The rendered prompt that asks for the class of `text`, after (role, content) of earlier turns.

        Raises:
            InputError: the template cannot be rendered.
        """
        return self.prompts([(text, turns)])[0]

    def prompts(self, requests: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> list[str]:
        """The prompts of several (text, earlier turns), rendered together.

        Raises:
            InputError: as `prompt`.
        """
        conversations = [build_messages(text, self.markers, turns) for text, turns in requests]
        template = self.template or PLAIN_TEMPLATE
        return render_chats(template, conversations, bos_token=self.bos_token, eos_token=self.eos_token)

    @property
    def writes_bos(self) -> bool:
        """Whether prompts start with the beginning-of-text token."""
        return bool(self.bos_token) and self.prompt("?").startswith(self.bos_token)


def read_chat(folder: Path) -> Chat:
    """Read how to chat with the model in `folder`.

    Template, bos and eos match transformers' AutoTokenizer, with three additions: the default template of
    chat_template.json is used if there is no other, the eos ids of generation_config.json and config.json
    if no eos token is named, and a token may be an object without a type. Defaults that a tokenizer class assumes
    beyond the files are not known here.

    Raises:
        InputError: a file is broken, the template cannot be rendered, or no token ends an answer.
    """
    files = JsonFiles(folder)
    named = _named_tokens(files)
    bos = _text(named.get("bos_token"))
    stops = _named_stops(files, _text(named.get("eos_token")))
    return made_chat(_template(files), bos, stops, special_markers(files), folder)


def made_chat(template: str | None, bos: str, stops: list[str], markers: list[str], where: Path) -> Chat:
    """Chat of a model with these stop tokens, the named eos token first, and the template's own end of turn.

    Raises:
        InputError: the template cannot be rendered, or no token ends an answer.
    """
    before, end = end_of_turn(template or PLAIN_TEMPLATE, bos, stops[0] if stops else "", markers)
    if not end:
        raise InputError(
            "No token ends an answer: the tokenizer, generation_config.json and chat template name none.",
            where=str(where),
            remedy="set eos_token in tokenizer_config.json",
        )
    stops = list(dict.fromkeys([*stops, end]))
    return Chat(template, bos, stops[0], stops, markers, before + end)


def end_of_turn(template: str, bos_token: str, eos_token: str, markers: Iterable[str]) -> tuple[str, str]:
    """What the template adds after an assistant's answer: (text before the first control token, that token).

    ("", `eos_token`) if it adds no control token.
    """
    messages = [*build_messages("question", []), {"role": "assistant", "content": _ANSWER}]
    rendered = render_chat(template, messages, bos_token=bos_token, eos_token=eos_token, add_generation_prompt=False)
    after = rendered.rpartition(_ANSWER)[2]
    found = [
        (after.find(marker), -len(marker), marker) for marker in {*markers, eos_token} if marker and marker in after
    ]
    if not found:
        return "", eos_token
    start, _, marker = min(found)
    return after[:start], marker


def special_markers(files: JsonFiles) -> list[str]:
    """Texts of the tokenizer's control tokens, sorted, without duplicates.

    Raises:
        InputError: a tokenizer file is broken.
    """
    config = files["tokenizer_config.json"]
    added = list(files["tokenizer.json"].get("added_tokens") or [])
    added += list((config.get("added_tokens_decoder") or {}).values())
    found = {_text(token) for token in added if token.get("special")}
    for named in (config, files["special_tokens_map.json"]):
        found |= {_text(value) for key, value in named.items() if key.endswith("_token")}
        found |= {_text(token) for token in named.get("additional_special_tokens") or []}
    return sorted(found - {""})


def _template(files: JsonFiles) -> str | None:
    """The default chat template, from the first place where transformers looks."""
    if (jinja := files.folder / "chat_template.jinja").is_file():
        return _text_of(jinja)
    for name in ("tokenizer_config.json", "chat_template.json"):
        template = files[name].get("chat_template")
        if isinstance(template, list):
            template = {entry["name"]: entry["template"] for entry in template}
        if isinstance(template, dict):
            template = template.get("default")
        if isinstance(template, str):
            return template
    return None


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path.name} is not UTF-8 text (byte {error.start}).", where=str(path), remedy="download it again"
        ) from error


def _named_tokens(files: JsonFiles) -> dict[str, Any]:
    """The tokenizer's settings; special_tokens_map.json counts only if there is no added_tokens_decoder."""
    settings = files["tokenizer_config.json"]
    if "added_tokens_decoder" in settings:
        return settings
    return settings | files["special_tokens_map.json"]


def _named_stops(files: JsonFiles, eos_token: str) -> list[str]:
    """The named eos token, eos tokens given by id, and the known turn ends in the vocabulary."""
    texts = {index: text for text, index in token_ids(files).items()}
    configs = [files[name] for name in ("generation_config.json", "config.json")]
    ids = [index for config in configs for index in _ids(config.get("eos_token_id"))]
    known = set(texts.values())
    candidates = [eos_token, *(texts.get(index) for index in ids), *(text for text in TURN_ENDS if text in known)]
    return list(dict.fromkeys(text for text in candidates if text))


def _ids(value: Any) -> list[int]:
    return [value] if isinstance(value, int) else list(value or [])


def _text(token: Any) -> str:
    """Text of a special token, given as text or as an object; empty if there is none."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else ""
