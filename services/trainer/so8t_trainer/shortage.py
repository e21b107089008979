"""Memory before and during training: does it fit, and what to do if it ran out anyway."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import torch

from so8t_shared.config.training import Training
from so8t_shared.errors import ConfigError
from so8t_shared.formatting import size
from so8t_trainer.distributed.leader import processes_of
from so8t_trainer.encode import EncodedRow
from so8t_trainer.fit import USABLE, Fit, Subject, fewer_bits, fit_training, sufficient
from so8t_trainer.hardware import peak_bytes, room_on, unused_bytes
from so8t_trainer.memory import Footprint

_RECOMPUTE = "gradient_checkpointing: true"
_REQUEST = re.compile(r"tried to allocate ([\d.]+) ?(bytes|KiB|MiB|GiB)", re.IGNORECASE)
_UNITS = {"bytes": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
_CPU_ALLOCATOR = "can't allocate memory"
"""In the RuntimeError of torch's CPU allocator, which has no class of its own."""


class Named(Protocol):
    """Checkpoints, by name."""

    def names(self) -> list[str]: ...


def fit_rows(
    base: Path, rows: Sequence[EncodedRow], settings: Training, device: torch.device, dtype: torch.dtype
) -> Fit:
    """Fit a training on `rows` to `device`: each process's part, where several share a host's memory.

    Raises:
        ConfigError: it does not fit.
    """
    subject = Subject.of(base, rows)
    processes, room = processes_of(settings, device.type), room_on(device)
    if device.type == "cpu":
        room = replace(room, free_bytes=room.free_bytes // processes, total_bytes=room.total_bytes // processes)
    chosen: dict[str, object] = {"processes": processes}
    if settings.shard_weights and settings.base_memory == "auto":
        chosen["base_bits"] = 16  # FSDP2 splits no quantized weights
    return fit_training(subject, settings.model_copy(update=chosen), room, dtype.itemsize)


@contextmanager
def explained_shortage(fit: Fit, device: torch.device, checkpoints: Named) -> Iterator[None]:
    """Turn running out of memory into an error that says what to set, and where the next run resumes.

    Raises:
        ConfigError: memory ran out.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_shortage(error):
            raise
        raise _explained(str(error), fit, device, checkpoints.names()) from error


def _is_shortage(error: BaseException) -> bool:
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or _CPU_ALLOCATOR in str(error)


def _explained(message: str, fit: Fit, device: torch.device, saved: list[str]) -> ConfigError:
    peak, settings = peak_bytes(device), fit.settings
    room = peak + min(_asked_bytes(message), unused_bytes(device))
    same, told = lower(fit, peak, room)
    resumes = f"checkpoint {saved[-1]} is kept" if saved else "no checkpoint was saved yet"
    if saved:
        resumes += (
            ", and the next run resumes from it, since these change no result"
            if same
            else " for these settings; training starts over with others, which change results"
        )
    return ConfigError(
        f"Memory ran out during training: {message.splitlines()[0] if message else 'no more memory'}",
        where=f"passes of at most {settings.max_tokens_per_pass or 'all'} tokens, {settings.batch_size} rows;"
        f" {size(peak)} at the peak, {size(fit.needed.total)} predicted",
        remedy=f"close other programs, or set {'; or '.join(told)}; {resumes}",
    )


def _asked_bytes(message: str) -> int:
    """Return the bytes of the request that failed, as torch names them; as much as any if it does not."""
    found = _REQUEST.search(message)
    return round(float(found[1]) * _UNITS[found[2].lower()]) if found else 1 << 60


def lower(fit: Fit, peak_bytes: int, room_bytes: int) -> tuple[bool, list[str]]:
    """Return what to set after a training took `peak_bytes` and more, so that it takes less than `room_bytes`.

    The prediction is corrected by the peak if that is higher. First (and with True) come changes that keep the result,
    and thus the checkpoints.
    """
    need, settings = fit.needs, fit.settings
    bits, recompute = settings.base_memory, settings.gradient_checkpointing is True
    limit = settings.max_tokens_per_pass or need.whole
    factor = max(1.0, peak_bytes / fit.needed.total)

    def fits(found: Footprint) -> bool:
        return found.total * factor <= room_bytes * USABLE

    same = {} if recompute else {f"training.{_RECOMPUTE}": need(bits, True, limit)}
    alone = any(map(fits, same.values()))
    ways = {"training.": recompute} if recompute or alone else {"training.": False, f"training.{_RECOMPUTE} and ": True}
    for way, recomputed in ways.items():
        smaller = [tokens for tokens in need.subject.totals(settings) if tokens < limit]
        fewer = {tokens: need(bits, recomputed, tokens) for tokens in smaller}
        if fitting := [tokens for tokens, found in fewer.items() if fits(found)]:
            same[f"{way}max_tokens_per_pass: {fitting[-1]}"] = fewer[fitting[-1]]
    told = sufficient(need, [same, fewer_bits(need, bits, recompute, limit)], room_bytes, factor)
    return any(told[0].startswith(f"{name} (") for name in same), told
