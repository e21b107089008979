"""Packs the rows of one forward pass into a single sequence: the shared prompt prefix, then each row's rest.

The prefix is computed once, nothing is padded, and the result is the same as for separate rows:
positions restart after the prefix for each row, and attention (attention.py) lets a row see only the
prefix and itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from so8t_trainer.encode import EncodedRow, shared_prefix


@dataclass(frozen=True)
class PackedRows:
    """Tensors of one forward pass over T = prefix + sum of the rows' own tokens."""

    input_ids: Tensor
    """[1, T]"""
    position_ids: Tensor
    """[1, T]"""
    prefix: int
    """Number of tokens in the shared prefix, which comes first."""
    own: Tensor
    """[rows, longest]: positions after the prefix of each row's own tokens; a short row repeats its last."""
    visible: Tensor
    """[longest, prefix + longest]: which prefix and own tokens each own token attends to (bool)."""
    unpadded: Tensor
    """[T - prefix]: index into the flattened `own` of each token after the prefix."""
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


def pack(rows: Sequence[EncodedRow]) -> PackedRows:
    """Lay out `rows` (at least one) for one forward pass."""
    prefix = shared_prefix(rows)
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
    lengths = [row.length - prefix for row in rows]
    longest = max(lengths)
    spans = list(zip(starts, lengths, strict=True))
    triples, weights = _triples(prefix, spans)
    return PackedRows(
        input_ids=torch.tensor([ids]),
        position_ids=torch.tensor([positions]),
        prefix=prefix,
        own=torch.tensor([[start - prefix + min(i, length - 1) for i in range(longest)] for start, length in spans]),
        visible=torch.ones(longest, prefix + longest, dtype=torch.bool).tril(prefix),
        unpadded=torch.tensor([row * longest + i for row, length in enumerate(lengths) for i in range(length)]),
        targets=torch.tensor(targets),
        weights=_target_weights(rows),
        predicting=torch.tensor(predicting),
        triple_positions=triples,
        triple_weights=weights,
    )


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
