"""PET: a penalty on the second difference of hidden states along the sequence."""

from __future__ import annotations

from torch import Tensor

from so8t_shared.config.training import Pet
from so8t_trainer.packing import PackedRows


def pet_weight(step: int, total_steps: int, settings: Pet) -> float:
    """Return lambda for optimizer step `step` (0 is the first of `total_steps`)."""
    share = step / total_steps
    phase = sum(share >= boundary for boundary in settings.boundaries)
    return settings.lambdas[phase]


def pet_sum(hidden: Tensor, rows: PackedRows) -> Tensor:
    """Return the sum over all rows' triples of mean_d (h[t+2] - 2 h[t+1] + h[t])^2, in fp32.

    `hidden` holds the last hidden states [T, d] of the packed tokens. Each row's sequence is the shared
    prefix and its own tokens, as for a separate row: a triple inside the prefix counts once per row, and
    no triple spans two rows. Divide by `rows.triples` for the mean.
    """
    states = hidden.float()
    # not states[index]: in its backward pass threads add in arbitrary order, so no two trainings would be the same
    first, middle, last = (states.index_select(0, index) for index in rows.triple_positions)
    squares = (last - 2 * middle + first).square().mean(dim=-1)
    return (squares * rows.triple_weights).sum()
