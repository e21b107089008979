"""Encodes rows as token IDs: the prompt exactly as the evaluator asks it, and the answer with its end token."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, takewhile
from pathlib import Path
from typing import Protocol

from so8t_shared.labels import LABELS
from so8t_shared.models.chat import Chat, read_chat
from so8t_shared.models.prompts import final_answer, neutralise_markers
from so8t_shared.models.tokenizer_check import check_tokenizer, unloadable
from so8t_shared.results.training import LabeledRow

LEAST_SHARED = 1 / 16
"""Share of the rows' mean length from which a prefix that they share is computed only once."""

Spans = list[tuple[int, int]]
"""Start and end of each token in the text."""
Tokens = tuple[int, ...]

_ROWS_AT_ONCE = 256
"""Rows whose prompts are rendered, and tokenized, together."""


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

    tokenizer: _Tokenizer
    chat: Chat

    def tokenize(self, text: str) -> list[int]:
        """Return the text's token IDs, recognizing control tokens and adding nothing."""
        return self.tokenizer.tokenize([text])[0]

    def locate(self, text: str) -> tuple[list[int], Spans]:
        """Return the text's token IDs and their places in it."""
        return self.tokenizer.locate(text)

    def encode(self, row: LabeledRow) -> EncodedRow:
        """Encode one row, see `encode_all`."""
        return next(self.encode_all([row]))

    def encode_all(self, rows: Iterable[LabeledRow]) -> Iterator[EncodedRow]:
        """Tokenize prompts and completions separately, as at inference.

        Control tokens quoted in a row's text, turns or thinking are neutralized.
        """
        for row, prompt, answers in self.encode_answers(rows):
            completion = answers[LABELS.index(row.label)]
            start, end = differing(answers)
            yield EncodedRow(
                id=row.id,
                prompt=prompt,
                completion=completion,
                label=row.label,
                thinking_tokens=self._thinking_tokens(row),
                label_tokens=tuple(range(start, len(completion) - end)),
            )

    def encode_answers(self, rows: Iterable[LabeledRow]) -> Iterator[tuple[LabeledRow, Tokens, tuple[Tokens, ...]]]:
        """Yield each row, its prompt, and its completion with each of the LABELS, after the row's own thinking."""
        for part in _parts(rows):
            written = [text for row in part if row.thinking for text in self._answers(row)]
            thought = iter(self._tokens(written))
            for row, prompt in zip(part, self.prompts(part), strict=True):
                yield row, prompt, tuple(islice(thought, len(LABELS))) if row.thinking else self._plain_answers

    def prompts(self, rows: Iterable[LabeledRow]) -> Iterator[Tokens]:
        """Yield the tokens of each row's prompt."""
        for part in _parts(rows):
            yield from self._tokens(self.chat.prompts([(row.text, row.before) for row in part]))

    def _tokens(self, texts: Sequence[str]) -> list[Tokens]:
        return [tuple(ids) for ids in self.tokenizer.tokenize(texts)] if texts else []

    def _thinking_tokens(self, row: LabeledRow) -> int:
        if not row.thinking:
            return 0
        answer = final_answer(row.label, self._thinking(row))
        final = len(answer) - len(final_answer(row.label))
        return sum(first < final for first, _ in self.locate(answer + self.chat.end_of_turn)[1])

    def _thinking(self, row: LabeledRow) -> dict[str, str]:
        return {name: neutralise_markers(text, self.chat.markers) for name, text in row.thinking.items()}

    def _answers(self, row: LabeledRow) -> list[str]:
        thinking, end = self._thinking(row), self.chat.end_of_turn
        return [final_answer(label, thinking) + end for label in LABELS]

    @cached_property
    def _plain_answers(self) -> tuple[Tokens, ...]:
        """The completions of every row without thinking."""
        return tuple(self._tokens([final_answer(label) + self.chat.end_of_turn for label in LABELS]))


def _parts(rows: Iterable[LabeledRow]) -> Iterator[list[LabeledRow]]:
    remaining = iter(rows)
    while part := list(islice(remaining, _ROWS_AT_ONCE)):
        yield part


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
        tokenizer = _Exact(definition) if definition.is_file() else _FromTransformers(model_dir)
    except Exception as error:  # tokenizers has no exception class of its own
        raise unloadable(str(error), definition) from error
    return ChatEncoder(tokenizer, read_chat(model_dir))


class _Tokenizer(Protocol):
    """Tokenizes texts, recognizing control tokens and adding nothing."""

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]: ...
    def locate(self, text: str) -> tuple[list[int], Spans]: ...


class _Exact:
    """tokenizer.json, unchanged.

    transformers may rebuild the tokenizer from its class name and lose steps (SmolLM2's digit splitting) that the model
    and llama.cpp have.
    """

    def __init__(self, definition: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(definition))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokenize all texts in one call, without their places."""
        return [found.ids for found in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def locate(self, text: str) -> tuple[list[int], Spans]:
        """Return the token IDs and their places."""
        found = self._tokenizer.encode(text, add_special_tokens=False)
        return list(found.ids), list(found.offsets)


class _FromTransformers:
    """What transformers makes of a folder without tokenizer.json."""

    def __init__(self, model_dir: Path) -> None:
        from transformers import AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(model_dir, local_files_only=True, trust_remote_code=False)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokenize one text after the other."""
        return [self.locate(text)[0] for text in texts]

    def locate(self, text: str) -> tuple[list[int], Spans]:
        """Return the token IDs and their places."""
        if self._tokenizer.is_fast:
            found = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
            return list(found.input_ids), [tuple(span) for span in found.offset_mapping]
        ids = list(self._tokenizer(text, add_special_tokens=False).input_ids)
        ends = [len(self._tokenizer.decode(ids[: count + 1])) for count in range(len(ids))]
        return ids, list(zip([0, *ends[:-1]], ends, strict=True))


def encode_rows(rows: Iterable[LabeledRow], encoder: ChatEncoder, max_length: int) -> list[EncodedRow]:
    """Encode rows; rows longer than `max_length` tokens are left out, never cut."""
    return [row for row in encoder.encode_all(rows) if row.length <= max_length]


def shared_prefix(rows: Sequence[EncodedRow]) -> int:
    """Return the length of the longest common prefix of all prompts that leaves each row its last prompt token."""
    heads = zip(*(row.prompt[:-1] for row in rows), strict=False)
    return sum(1 for _ in takewhile(lambda tokens: len(set(tokens)) == 1, heads))
