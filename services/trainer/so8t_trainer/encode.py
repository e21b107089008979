"""Encodes rows as token IDs: the prompt exactly as the evaluator asks it, and the answer with its end token."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path

from so8t_shared.labels import LABELS
from so8t_shared.models.chat import Chat, read_chat
from so8t_shared.models.prompts import final_answer, neutralise_markers
from so8t_shared.models.tokenizer_check import check_tokenizer, unloadable
from so8t_shared.results.training import LabeledRow

Spans = list[tuple[int, int]]
"""Start and end of each token in the text."""


@dataclass(frozen=True)
class EncodedRow:
    """Token IDs of a row's prompt (not trained on) and completion (trained on)."""

    id: str
    prompt: tuple[int, ...]
    completion: tuple[int, ...]
    label: str = ""
    thinking_tokens: int = 0
    """Number of the completion's first tokens that are thinking."""
    label_tokens: tuple[int, ...] = ()
    """Positions in the completion of the tokens that decide: those by which the answers of the four classes differ."""
    weights: tuple[float, ...] = ()
    """Weight of each completion token in the loss; empty if all are 1."""

    @property
    def length(self) -> int:
        """Tokens of prompt and completion."""
        return len(self.prompt) + len(self.completion)


@dataclass(frozen=True)
class ChatEncoder:
    """A model's tokenizer and chat format."""

    locate: Callable[[str], tuple[list[int], Spans]]
    chat: Chat

    def tokenize(self, text: str) -> list[int]:
        """Return the text's token IDs, recognizing control tokens and adding nothing."""
        return self.locate(text)[0]

    def encode(self, row: LabeledRow) -> EncodedRow:
        """Tokenize prompt and completion separately, as at inference.

        Control tokens quoted in the row's text, turns or thinking are neutralized.
        """
        answers = self.answers(row)
        completion = answers[LABELS.index(row.label)]
        start, end = differing(answers)
        return EncodedRow(
            id=row.id,
            prompt=tuple(self.tokenize(self.chat.prompt(row.text, row.before))),
            completion=completion,
            label=row.label,
            thinking_tokens=self._thinking_tokens(row),
            label_tokens=tuple(range(start, len(completion) - end)),
        )

    def prompt_tokens(self, row: LabeledRow) -> int:
        """Return the number of tokens of the row's prompt."""
        return len(self.tokenize(self.chat.prompt(row.text, row.before)))

    def _thinking_tokens(self, row: LabeledRow) -> int:
        if not row.thinking:
            return 0
        answer = final_answer(row.label, self._thinking(row))
        final = len(answer) - len(final_answer(row.label))
        return sum(first < final for first, _ in self.locate(answer + self.chat.end_of_turn)[1])

    def _thinking(self, row: LabeledRow) -> dict[str, str]:
        return {name: neutralise_markers(text, self.chat.markers) for name, text in row.thinking.items()}

    def answers(self, row: LabeledRow) -> list[tuple[int, ...]]:
        """Return the tokens of the row's completion with each of the LABELS, after the row's own thinking."""
        thinking, end = self._thinking(row), self.chat.end_of_turn
        return [tuple(self.tokenize(final_answer(label, thinking) + end)) for label in LABELS]


def differing(answers: Sequence[Sequence[int]]) -> tuple[int, int]:
    """Return (number of first tokens, number of last tokens) that all answers share; at least one of each is left.

    The evaluator's scoring `logprob` scores the same tokens.
    """
    shortest = min(map(len, answers))
    start = _alike(answers, shortest - 1)
    return start, _alike([answer[::-1] for answer in answers], shortest - 1 - start)


def _alike(answers: Sequence[Sequence[int]], most: int) -> int:
    columns = islice(zip(*answers, strict=False), most)
    return sum(1 for _ in takewhile(lambda tokens: len(set(tokens)) == 1, columns))


def load_encoder(model_dir: Path) -> ChatEncoder:
    """Load the tokenizer of a checkpoint folder.

    Raises:
        InputError: the tokenizer files are missing or broken, or no token ends a turn.
    """
    definition = model_dir / "tokenizer.json"
    if definition.is_file():
        check_tokenizer(definition)
    try:
        locate = _locate_function(model_dir)
    except Exception as error:  # tokenizers has no exception class of its own
        raise unloadable(str(error), definition) from error
    return ChatEncoder(locate, read_chat(model_dir))


def _locate_function(model_dir: Path) -> Callable[[str], tuple[list[int], Spans]]:
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

        def locate(text: str) -> tuple[list[int], Spans]:
            found = exact.encode(text, add_special_tokens=False)
            return list(found.ids), list(found.offsets)

        return locate
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_dir, local_files_only=True, trust_remote_code=False)

    def locate_with_transformers(text: str) -> tuple[list[int], Spans]:
        if tokenizer.is_fast:
            found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
            return list(found.input_ids), [tuple(span) for span in found.offset_mapping]
        ids = list(tokenizer(text, add_special_tokens=False).input_ids)
        ends = [len(tokenizer.decode(ids[: count + 1])) for count in range(len(ids))]
        return ids, list(zip([0, *ends[:-1]], ends, strict=True))

    return locate_with_transformers


def encode_rows(rows: Iterable[LabeledRow], encoder: ChatEncoder, max_length: int) -> list[EncodedRow]:
    """Encode rows; rows longer than `max_length` tokens are left out, never cut."""
    encoded = (encoder.encode(row) for row in rows)
    return [row for row in encoded if row.length <= max_length]


def shared_prefix(rows: Sequence[EncodedRow]) -> int:
    """Return the length of the longest common prefix of all prompts that leaves each row its last prompt token."""
    heads = zip(*(row.prompt[:-1] for row in rows), strict=False)
    return sum(1 for _ in takewhile(lambda tokens: len(set(tokens)) == 1, heads))
