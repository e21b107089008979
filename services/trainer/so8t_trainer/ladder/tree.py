"""Several rows with all their answers in one pass: what prompts share is computed once, and each prompt once.

A token sees the tokens on its way to the root: the shared prefix, its row's prompt and its own answer. transformers
takes such a mask as it is, for every architecture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile

import torch
from torch import Tensor

from so8t_shared.results.training import LabeledRow
from so8t_trainer.encode import ChatEncoder, Tokens, differing


@dataclass(frozen=True)
class Asked:
    """A row as it is scored."""

    id: str
    prompt: Tokens
    answers: tuple[Tokens, ...]
    """One for each label, with the end of the turn."""
    given: Tokens
    """What all answers begin with."""
    tails: tuple[Tokens, ...]
    """What is scored: each label's own tokens, but all that is left of the correct answer."""
    lengths: tuple[int, ...]
    """Number of each tail's tokens by which the answers differ."""
    gold: int

    @property
    def length(self) -> int:
        """Tokens of prompt and longest answer."""
        return len(self.prompt) + max(map(len, self.answers))


def asked(encoder: ChatEncoder, rows: Sequence[LabeledRow], gold: Sequence[int]) -> list[Asked]:
    """Encode rows; `gold` is the position of each row's label."""
    found = []
    for (row, prompt, answers), right in zip(encoder.encode_answers(rows), gold, strict=True):
        start, end = differing(answers)
        lengths = tuple(len(answer) - start - end for answer in answers)
        tails = tuple(
            answer[start:] if i == right else answer[start : start + lengths[i]] for i, answer in enumerate(answers)
        )
        found.append(Asked(row.id, prompt, answers, answers[0][:start], tails, lengths, right))
    return found


@dataclass
class Tree:
    """Tokens of one pass, each with its parent; positions count the way from the root."""

    ids: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)

    def add(self, tokens: Sequence[int], parent: int) -> list[int]:
        """Add a chain below `parent` (-1 for the root); return its places."""
        places = []
        for token in tokens:
            self.ids.append(token)
            self.positions.append(self.positions[parent] + 1 if parent >= 0 else 0)
            self.parents.append(parent)
            parent = len(self.ids) - 1
            places.append(parent)
        return places

    def visible(self) -> Tensor:
        """Return [T, T], whether a token (row) sees another (column)."""
        count = len(self.ids)
        seen = torch.zeros(count, count, dtype=torch.bool)
        for place, parent in enumerate(self.parents):
            if parent >= 0:
                seen[place] = seen[parent]
            seen[place, place] = True
        return seen


@dataclass(frozen=True)
class Places:
    """Where one row's figures are predicted: the place before each token of each tail."""

    before: tuple[tuple[int, ...], ...]

    @property
    def answer(self) -> int:
        """The place whose next token is the answer's first own one."""
        return self.before[0][0]


def planted(rows: Sequence[Asked]) -> tuple[Tree, list[Places]]:
    """Return the tree of the rows, and each row's places."""
    tree = Tree()
    heads = [(*row.prompt, *row.given) for row in rows]
    shared = sum(
        1 for _ in takewhile(lambda column: len(set(column)) == 1, zip(*(h[:-1] for h in heads), strict=False))
    )
    root = ([-1, *tree.add(heads[0][:shared], -1)])[-1]
    found = []
    for row, head in zip(rows, heads, strict=True):
        stem = tree.add(head[shared:], root)[-1]
        found.append(Places(tuple((stem, *tree.add(tail[:-1], stem)) for tail in row.tails)))
    return tree, found


def passes(rows: Sequence[Asked], most_tokens: int, long_above: int | None) -> list[list[Asked]]:
    """Cut the rows, in their order, into passes of about `most_tokens` beyond what is shared.

    Rows longer than `long_above` are not mixed with others, since their length changes the rotary factors of all.
    """
    found: list[list[Asked]] = []
    size = 0
    for row in rows:
        own = row.length + sum(map(len, row.tails))
        is_long = long_above is not None and row.length > long_above
        mixed = found and is_long is not (long_above is not None and found[-1][0].length > long_above)
        if not found or mixed or size + own > most_tokens:
            found.append([])
            size = 0
        found[-1].append(row)
        size += own
    return found
