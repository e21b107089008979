"""The loss scale of float16, whose small gradients would otherwise vanish."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import nn

from so8t_trainer.distributed.group import ALONE

SCALE = ("loss_scale", "good_steps")
"""Keys in the optimizer's first group."""

_KEY, _GOOD = SCALE
_FIRST = 2.0**16
_GROW_EVERY = 2000
"""Steps without overflow after which the scale doubles; as in torch.amp.GradScaler."""


class LossScale:
    """A factor on the objective, taken off the gradients before they are clipped; 1 except for float16.

    It is kept in the optimizer's first group, and so in checkpoints. Unlike torch.amp.GradScaler it repeats an
    overflowed step with half the factor instead of skipping its rows.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        dtype: torch.dtype,
        clip: Callable[[Iterable[nn.Parameter], float], float] = ALONE.clip,
    ) -> None:
        """`clip` clips gradients to a norm, and returns it."""
        self._clip = clip
        self._optimizer = optimizer
        self._norm = math.nan
        optimizer.param_groups[0].update({_KEY: _FIRST if dtype == torch.float16 else 1.0, _GOOD: 0})

    @property
    def factor(self) -> float:
        """The present factor."""
        return float(self._optimizer.param_groups[0][_KEY])

    def attempts(self) -> Iterator[float]:
        """Yield the factor, and half of it again as long as `clip` finds an overflow."""
        while True:
            yield self.factor
            group = self._optimizer.param_groups[0]
            if math.isfinite(self._norm) or self.factor <= 1:
                break
            group.update({_KEY: self.factor / 2, _GOOD: 0})
            self._optimizer.zero_grad(set_to_none=True)
        group[_GOOD] += 1
        if self.factor > 1 and group[_GOOD] % _GROW_EVERY == 0:
            group[_KEY] *= 2

    def clip(self, parameters: Iterable[nn.Parameter], max_norm: float) -> float:
        """Take the factor off the gradients, clip them, and return their norm."""
        parameters = list(parameters)
        if self.factor != 1:
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.grad.div_(self.factor)
        self._norm = self._clip(parameters, max_norm)
        return self._norm
