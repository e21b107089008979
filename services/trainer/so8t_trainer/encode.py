"""Rows as token ids: the prompt exactly as the evaluator asks it, and the answer with its end token."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from so8t_shared.errors import InputError
from so8t_shared.models.prompts import (
    PLAIN_TEMPLATE,
    build_messages,
    final_answer,
    neutralise_markers,
    render_chat,
    special_markers,
)
from so8t_shared.results.training import LabeledRow

_ANSWER = "so8t-answer"


@dataclass(frozen=True)
class EncodedRow:
    """Token ids of a row's prompt (not trained on) and completion (trained on)."""

    id: str
    prompt: tuple[int, ...]
    completion: tuple[int, ...]

    @property
    def length(self) -> int:
        """Tokens of prompt and completion."""
        return len(self.prompt) + len(self.completion)


@dataclass(frozen=True)
class ChatEncoder:
    """A model's tokenizer and chat template."""

    tokenize: Callable[[str], list[int]]
    template: str
    bos_token: str
    eos_token: str
    markers: list[str]
    end_of_turn: str
    """What ends an assistant's turn, for example `<|im_end|>`."""

    def prompt(self, text: str) -> str:
        """The rendered prompt that asks for the class of `text`."""
        return self._render(build_messages(text, self.markers), add_generation_prompt=True)

    def encode(self, row: LabeledRow) -> EncodedRow:
        """Tokens of the prompt alone and of the completion alone, as at inference.

        Control tokens that the row quotes, in its text or its thinking, are made harmless.
        """
        thinking = {name: neutralise_markers(text, self.markers) for name, text in row.thinking.items()}
        completion = final_answer(row.label, thinking) + self.end_of_turn
        return EncodedRow(row.id, tuple(self.tokenize(self.prompt(row.text))), tuple(self.tokenize(completion)))

    def _render(self, messages: list[dict[str, str]], *, add_generation_prompt: bool) -> str:
        return render_chat(
            self.template,
            messages,
            bos_token=self.bos_token,
            eos_token=self.eos_token,
            add_generation_prompt=add_generation_prompt,
        )


def load_encoder(model_dir: Path) -> ChatEncoder:
    """The tokenizer of a checkpoint folder.

    Raises:
        InputError: the tokenizer's files are missing or broken, or nothing ends a turn.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model_dir, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"The model's tokenizer cannot be loaded: {str(error).splitlines()[0]}",
            where=str(model_dir),
            remedy="copy the tokenizer's files from the original model",
        ) from error
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    template = template or PLAIN_TEMPLATE
    bos, eos = tokenizer.bos_token or "", tokenizer.eos_token or ""
    markers = special_markers(model_dir)
    end = end_of_turn(template, bos, eos, markers)
    if not end:
        raise InputError(
            "No token ends an answer: the tokenizer names none, and the chat template writes none.",
            where=str(model_dir),
            remedy="set eos_token in tokenizer_config.json",
        )
    return ChatEncoder(_tokenize_function(model_dir, tokenizer), template, bos, eos, markers, end)


def end_of_turn(template: str, bos_token: str, eos_token: str, markers: Iterable[str]) -> str:
    """The text after an assistant's answer up to its first control token; else the EOS token."""
    messages = [*build_messages("question", []), {"role": "assistant", "content": _ANSWER}]
    rendered = render_chat(template, messages, bos_token=bos_token, eos_token=eos_token, add_generation_prompt=False)
    after = rendered.rpartition(_ANSWER)[2]
    found = [
        (after.find(marker), -len(marker), marker) for marker in {*markers, eos_token} if marker and marker in after
    ]
    if not found:
        return eos_token
    start, _, marker = min(found)
    return after[: start + len(marker)]


def _tokenize_function(model_dir: Path, tokenizer: Any) -> Callable[[str], list[int]]:
    """Tokens of a text with its control tokens recognized and nothing added.

    tokenizer.json is used as it is where there is one: transformers may rebuild the tokenizer from its
    class's name and lose steps (SmolLM2's digit splitting) that the model and llama.cpp have.
    """
    definition = model_dir / "tokenizer.json"
    if definition.is_file():
        from tokenizers import Tokenizer

        exact = Tokenizer.from_file(str(definition))
        exact.no_truncation()
        exact.no_padding()
        return lambda text: list(exact.encode(text, add_special_tokens=False).ids)
    return lambda text: list(tokenizer(text, add_special_tokens=False).input_ids)


def encode_rows(rows: Iterable[LabeledRow], encoder: ChatEncoder, max_length: int) -> list[EncodedRow]:
    """Encoded rows; those longer than `max_length` tokens are left out, never cut."""
    encoded = (encoder.encode(row) for row in rows)
    return [row for row in encoded if row.length <= max_length]
