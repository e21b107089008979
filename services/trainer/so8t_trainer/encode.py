"""Encodes rows as token IDs: the prompt exactly as the evaluator asks it, and the answer with its end token."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from so8t_shared.errors import InputError
from so8t_shared.models.chat import Chat, read_chat
from so8t_shared.models.prompts import final_answer, neutralise_markers
from so8t_shared.results.training import LabeledRow


@dataclass(frozen=True)
class EncodedRow:
    """Token IDs of a row's prompt (not trained on) and completion (trained on)."""

    id: str
    prompt: tuple[int, ...]
    completion: tuple[int, ...]

    @property
    def length(self) -> int:
        """Tokens of prompt and completion."""
        return len(self.prompt) + len(self.completion)


@dataclass(frozen=True)
class ChatEncoder:
    """A model's tokenizer and chat format."""

    tokenize: Callable[[str], list[int]]
    chat: Chat

    def encode(self, row: LabeledRow) -> EncodedRow:
        """Tokenize prompt and completion separately, as at inference.

        Control tokens quoted in the row's text or thinking are neutralized.
        """
        thinking = {name: neutralise_markers(text, self.chat.markers) for name, text in row.thinking.items()}
        completion = final_answer(row.label, thinking) + self.chat.end_of_turn
        return EncodedRow(row.id, tuple(self.tokenize(self.chat.prompt(row.text))), tuple(self.tokenize(completion)))


def load_encoder(model_dir: Path) -> ChatEncoder:
    """Load the tokenizer of a checkpoint folder.

    Raises:
        InputError: the tokenizer files are missing or broken, or no token ends a turn.
    """
    try:
        tokenize = _tokenize_function(model_dir)
    except Exception as error:  # tokenizers has no exception class of its own
        raise InputError(
            f"The model's tokenizer cannot be loaded: {' '.join(str(error).splitlines()[:1])}",
            where=str(model_dir),
            remedy="copy the tokenizer files from the original model",
        ) from error
    return ChatEncoder(tokenize, read_chat(model_dir))


def _tokenize_function(model_dir: Path) -> Callable[[str], list[int]]:
    """Return a function that tokenizes a text, recognizing control tokens and adding nothing.

    tokenizer.json is used unchanged if present: transformers may rebuild the tokenizer from its class name
    and lose steps (SmolLM2's digit splitting) that the model and llama.cpp have.
    """
    definition = model_dir / "tokenizer.json"
    if definition.is_file():
        from tokenizers import Tokenizer

        exact = Tokenizer.from_file(str(definition))
        exact.no_truncation()
        exact.no_padding()
        return lambda text: list(exact.encode(text, add_special_tokens=False).ids)
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_dir, local_files_only=True, trust_remote_code=False)
    return lambda text: list(tokenizer(text, add_special_tokens=False).input_ids)


def encode_rows(rows: Iterable[LabeledRow], encoder: ChatEncoder, max_length: int) -> list[EncodedRow]:
    """Encode rows; rows longer than `max_length` tokens are left out, never cut."""
    encoded = (encoder.encode(row) for row in rows)
    return [row for row in encoded if row.length <= max_length]
