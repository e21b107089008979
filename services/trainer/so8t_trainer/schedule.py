"""The rows and learning rate of each step: pure functions of the step, so that training can resume."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import groupby

from so8t_shared.config.training import Training
from so8t_trainer.encode import EncodedRow


def total_steps(rows: int, settings: Training) -> int:
    """Return the number of optimizer steps of a training over `rows` rows."""
    if settings.max_steps is not None:
        return settings.max_steps
    return math.ceil(rows * settings.epochs / settings.rows_per_step)


def step_batches(
    rows: Sequence[EncodedRow],
    step: int,
    settings: Training,
    long_above: int | None = None,
    share: Callable[[list[EncodedRow]], list[EncodedRow]] = lambda rows: rows,
) -> list[list[EncodedRow]]:
    """Return the forward passes of optimizer step `step` (from 0): every row once per epoch, in seeded order.

    Within a step, rows of similar length are batched together. The rows of a pass have at most `max_tokens_per_pass`
    tokens, unless a single row is longer. Rows above `long_above` tokens share no pass with others. `share` takes the
    part of the step's rows that this process computes.
    """
    per_step = settings.rows_per_step
    chosen = [rows[position] for position in _positions(step * per_step, per_step, len(rows), settings.seed)]
    chosen = sorted(share(chosen), key=lambda row: row.length)
    batches = [chosen[start : start + settings.batch_size] for start in range(0, len(chosen), settings.batch_size)]
    parts = [list(part) for batch in batches for _, part in groupby(batch, lambda row: row.length > (long_above or 0))]
    return [part for batch in parts for part in _passes(batch, settings.max_tokens_per_pass)]


def _passes(batch: list[EncodedRow], limit: int | None) -> list[list[EncodedRow]]:
    """Split rows into passes of at most `limit` tokens."""
    if limit is None:
        return [batch]
    passes: list[list[EncodedRow]] = [[]]
    tokens = 0
    for row in batch:
        if passes[-1] and tokens + row.length > limit:
            passes.append([])
            tokens = 0
        passes[-1].append(row)
        tokens += row.length
    return passes


def _positions(start: int, count: int, rows: int, seed: int) -> list[int]:
    """Return the positions of draws start .. start + count - 1 from an endless series of shuffled epochs."""
    places = (divmod(draw, rows) for draw in range(start, start + count))
    return [_order(rows, f"{seed}/{epoch}")[place] for epoch, place in places]


@lru_cache(maxsize=2)  # a step may end one epoch and begin the next; shuffling a million rows takes half a second
def _order(rows: int, seed: str) -> Sequence[int]:
    """Return the order of the rows in one epoch."""
    order = list(range(rows))
    random.Random(seed).shuffle(order)
    return order


def rate_factor(step: int, steps: int, settings: Training) -> float:
    """Return the share of the peak learning rate in step `step` of `steps`: linear warm-up, then the schedule."""
    warmup = math.ceil(settings.warmup_ratio * steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1, steps - warmup)
    match settings.lr_scheduler:
        case "linear":
            return 1 - done
        case "cosine":
            return (1 + math.cos(math.pi * done)) / 2
        case "constant":
            return 1.0
