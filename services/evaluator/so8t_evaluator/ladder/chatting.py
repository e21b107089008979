"""What a ladder must know of a model's chat before anything is measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from so8t_shared.models.chat import Chat, read_chat
from so8t_shared.models.gguf_chat import chat_of
from so8t_shared.models.gguf_file import read_header
from so8t_shared.results.training import LabeledRow


def end_of_turn(model: Path) -> str:
    """Return the text that ends an answer of a checkpoint folder or GGUF file.

    Raises:
        InputError: it cannot be read, or no token ends an answer.
    """
    return _chat(model).end_of_turn


def longest_prompt_bytes(model: Path, rows: Sequence[LabeledRow]) -> int:
    """Return the length of the longest rendered prompt, an upper bound of its tokens.

    Raises:
        InputError: as `end_of_turn`.
    """
    return max(len(prompt.encode()) for prompt in _chat(model).prompts([(row.text, row.before) for row in rows]))


def _chat(model: Path) -> Chat:
    return read_chat(model) if model.is_dir() else chat_of(read_header(model))
