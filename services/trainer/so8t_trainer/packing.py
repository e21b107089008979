"""Packs the rows of one forward pass into a single sequence: the shared prompt prefix, then each row's rest.

The prefix is computed once, nothing is padded, and the result is the same as for separate rows:
positions restart after the prefix for each row, and attention (attention.py) lets a row see only the
prefix and itself. A prefix that is short beside its rows is not shared: attention without one is cheaper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from so8t_trainer.encode import LEAST_SHARED, EncodedRow, shared_prefix


@dataclass(frozen=True)
class PackedRows:
    """Tensors of one forward pass over T = prefix + sum of the rows' own tokens."""

    input_ids: Tensor
    """[1, T]"""
    position_ids: Tensor
    """[1, T]"""
    prefix: int
    """Number of tokens in the shared prefix, which comes first."""
    lengths: tuple[int, ...]
    """Number of each row's own tokens, which follow the prefix row by row."""
    visible: Tensor | None
    """[longest, prefix + longest]: 0 where an own token attends to a prefix or own token, else minus infinity.

    A shorter row uses the first rows and columns. None without a prefix. In the type in which attention computes, since
    a mask of another type would be converted, and kept, for each row of each layer.
    """
    targets: Tensor
    """[completion tokens]: the tokens to predict."""
    weights: Tensor | None
    """[completion tokens]: weight of each target in the loss (float); None if all are 1."""
    predicting: Tensor
    """[completion tokens]: position of the token before each target, whose state predicts it."""
    triple_positions: tuple[Tensor, Tensor, Tensor]
    """Positions of three consecutive tokens of a row, for each triple."""
    triple_weights: Tensor
    """How many rows each triple belongs to (float)."""

    @property
    def tokens(self) -> int:
        """Number of tokens computed."""
        return len(self.input_ids[0])

    @property
    def total_weight(self) -> float:
        """Sum of the targets' weights."""
        return float(len(self.targets) if self.weights is None else self.weights.sum())

    @property
    def triples(self) -> float:
        """Number of triples over all rows, each row counted separately."""
        return float(self.triple_weights.sum())

    def to(self, device: torch.device) -> PackedRows:
        """Return a copy on another device."""
        if device.type == "cpu":
            return self
        moved = {name: value.to(device) if isinstance(value, Tensor) else value for name, value in vars(self).items()}
        moved["triple_positions"] = tuple(index.to(device) for index in self.triple_positions)
        return PackedRows(**moved)


def pack(rows: Sequence[EncodedRow], *, share: bool = True, attention_dtype: torch.dtype = torch.float32) -> PackedRows:
    """Lay out `rows` (at least one) for one forward pass; without `share` each keeps its prefix to itself."""
    prefix = _worthwhile_prefix(rows) if share else 0
    ids = list(rows[0].prompt[:prefix])
    positions = list(range(prefix))
    starts: list[int] = []
    predicting: list[int] = []
    targets: list[int] = []
    for row in rows:
        starts.append(len(ids))
        ids += [*row.prompt[prefix:], *row.completion]
        positions += range(prefix, row.length)
        predicting += range(len(ids) - len(row.completion) - 1, len(ids) - 1)
        targets += row.completion
    lengths = tuple(row.length - prefix for row in rows)
    longest = max(lengths)
    triples, weights = _triples(prefix, list(zip(starts, lengths, strict=True)))
    return PackedRows(
        input_ids=torch.tensor([ids]),
        position_ids=torch.tensor([positions]),
        prefix=prefix,
        lengths=lengths,
        visible=_visible(prefix, longest, attention_dtype) if prefix else None,
        targets=torch.tensor(targets),
        weights=_target_weights(rows),
        predicting=torch.tensor(predicting),
        triple_positions=triples,
        triple_weights=weights,
    )


def _visible(prefix: int, longest: int, dtype: torch.dtype) -> Tensor:
    return torch.full((longest, prefix + longest), -torch.inf, dtype=dtype).triu(prefix + 1)


def _worthwhile_prefix(rows: Sequence[EncodedRow]) -> int:
    prefix = shared_prefix(rows) if len(rows) > 1 else 0
    return prefix if prefix * len(rows) >= LEAST_SHARED * sum(row.length for row in rows) else 0


def _target_weights(rows: Sequence[EncodedRow]) -> Tensor | None:
    if not any(row.weights for row in rows):
        return None
    return torch.tensor([weight for row in rows for weight in row.weights or (1.0,) * len(row.completion)])


def _triples(prefix: int, spans: list[tuple[int, int]]) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """Return positions of all triples, and the number of rows of each; triples inside the prefix belong to all."""
    inside = [(t, t + 1, t + 2) for t in range(prefix - 2)]
    weights = [float(len(spans))] * len(inside)
    for start, length in spans:
        chain = [*range(max(0, prefix - 2), prefix), *range(start, start + length)]
        inside += zip(chain, chain[1:], chain[2:], strict=False)
        weights += [1.0] * (len(inside) - len(weights))
    places = torch.tensor(inside, dtype=torch.long).reshape(-1, 3)
    first, middle, last = places.unbind(dim=1)
    return (first, middle, last), torch.tensor(weights)
