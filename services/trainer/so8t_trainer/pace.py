"""How fast training is, and when it will end, by its latest steps."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import psutil
import torch

from so8t_shared import formatting as fmt
from so8t_shared.labels import CHANCE_NATS
from so8t_shared.results.training import TrainingPoint, Validation

_LATEST = 20
"""Steps by which the end is estimated."""


class Pace:
    """The latest steps of this attempt, validation and checkpoints included."""

    def __init__(self, steps: int, device: torch.device, clock: Callable[[], float] = time.perf_counter) -> None:
        """`steps` is the total of the training."""
        self._steps = steps
        self._device = device
        self._clock = clock
        self._ended: deque[tuple[float, int]] = deque(maxlen=_LATEST + 1)
        """When each step ended, and its tokens."""
        self._validation: Validation | None = None

    def message(self, point: TrainingPoint) -> str:
        """Return the progress line after a step: losses, tokens per second, memory, and the time left.

        The first step of an attempt loads and compiles, so it counts for no estimate.
        """
        self._ended.append((self._clock(), point.tokens))
        self._validation = point.validation or self._validation
        parts = [f"loss {point.loss:.3f}"]
        if point.decision_loss is not None:
            parts.append(f"decision {point.decision_loss:.2f} (chance {CHANCE_NATS:.2f})")
        if self._validation is not None:
            found = self._validation
            parts.append(f"validation {found.loss:.3f}, {found.decision_loss:.2f}, F1 {fmt.share(found.macro_f1)}")
        if len(self._ended) > 1:
            seconds = self._ended[-1][0] - self._ended[0][0]
            tokens = sum(tokens for _, tokens in list(self._ended)[1:])
            parts.append(f"{fmt.rate(tokens / seconds)} tokens/s")
        parts.append(fmt.size(memory_bytes(self._device)))
        if len(self._ended) > 1 and point.step < self._steps:
            parts.append(f"{fmt.duration(seconds / (len(self._ended) - 1) * (self._steps - point.step))} left")
        return ", ".join(parts)


def memory_bytes(device: torch.device) -> int:
    """Return the memory that training holds: the device's peak as torch allocated it, or this process's, in bytes."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_reserved(device))
    return int(psutil.Process().memory_info().rss)
