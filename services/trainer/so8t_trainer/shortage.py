"""Memory before and during training: does it fit, and what to do if it ran out anyway."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import torch

from so8t_shared.config.training import Training
from so8t_shared.errors import ConfigError
from so8t_trainer.encode import EncodedRow
from so8t_trainer.fit import Fit, Subject, fit_training
from so8t_trainer.hardware import room_on

_CPU_ALLOCATOR = "can't allocate memory"
"""In the RuntimeError of torch's CPU allocator, which has no class of its own."""


class Named(Protocol):
    """Checkpoints, by name."""

    def names(self) -> list[str]: ...


def fit_rows(
    base: Path, rows: Sequence[EncodedRow], settings: Training, device: torch.device, dtype: torch.dtype
) -> Fit:
    """Fit a training on `rows` to `device`.

    Raises:
        ConfigError: it does not fit.
    """
    subject = Subject.of(base, rows)
    return fit_training(subject, settings, room_on(device), dtype.itemsize)


@contextmanager
def explained_shortage(settings: Training, checkpoints: Named) -> Iterator[None]:
    """Turn running out of memory into an error that says what to lower, and where the next run resumes.

    Raises:
        ConfigError: memory ran out.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_shortage(error):
            raise
        saved = checkpoints.names()
        resumes = f"the next run resumes at {saved[-1]}" if saved else "no checkpoint was saved yet"
        raise ConfigError(
            f"Memory ran out during training: {str(error).splitlines()[0] if str(error) else 'no more memory'}",
            where=f"passes of at most {settings.max_tokens_per_pass or 'all'} tokens, {settings.batch_size} rows",
            remedy=f"{_lower(settings)}; {resumes}, since these change no result",
        ) from error


def _is_shortage(error: BaseException) -> bool:
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or _CPU_ALLOCATOR in str(error)


def _lower(settings: Training) -> str:
    ways = ["close other programs"]
    if settings.gradient_checkpointing is not True:
        ways.append("set training.gradient_checkpointing: true")
    if settings.max_tokens_per_pass:
        ways.append(f"set training.max_tokens_per_pass below {settings.max_tokens_per_pass}")
    else:
        ways.append(f"halve training.batch_size (now {settings.batch_size}) and double gradient_accumulation_steps")
    return ", or ".join(ways)
