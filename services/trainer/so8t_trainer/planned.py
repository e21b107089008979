"""The memory of a training before anything is loaded. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

from so8t_shared.config.model import Config
from so8t_shared.errors import ConfigError, InputError
from so8t_shared.formatting import size
from so8t_shared.free_memory import free_memory_bytes, gpu_memory_bytes
from so8t_shared.splits import sides_of_paths
from so8t_trainer.data.check import small_source
from so8t_trainer.data.read import Reader
from so8t_trainer.encode import EncodedRow, encode_rows, load_encoder
from so8t_trainer.fit import Room, Subject, compute_bytes, fit_training

_UNKNOWN = 1 << 60
"""Room of a GPU that is on another host."""


def planned_memory(config: Config) -> str | None:
    """Return how much memory a training needs; None if the base is not known here.

    By the rows if they are here and few; else by rows of training.max_length.
    """
    base, settings, room = Path(config.base_of_b.base_model), config.training, _room(config)
    if not base.is_dir():
        return None
    try:
        rows = _rows(config, base)
        subject = Subject.of(base, rows) if rows else Subject.supposed(base, settings)
        fit = fit_training(subject, settings, room, compute_bytes(settings, room.device))
    except InputError:
        return None
    except ConfigError as error:
        return f"training would not start: {error.what} To do: {error.remedy}"
    known = room.free_bytes < _UNKNOWN
    sentence = fit.sentence() if known else f"needs about {size(fit.needed.total)} on a GPU"
    return "; ".join([f"training {sentence}", f"longest row {subject.longest:,} tokens", *fit.why])


def _rows(config: Config, base: Path) -> list[EncodedRow]:
    """Return the rows as training will see them; empty if they are elsewhere or too many for a quick look."""
    reader, sides = Reader.of(config.dataset), sides_of_paths(config.dataset.paths)
    sources = [small_source(path, reader, side) for path, side in zip(config.dataset.paths, sides, strict=True)]
    if None in sources:
        return []
    rows = (row.exported() for source in sources for row in source or [])
    return encode_rows(rows, load_encoder(base), config.training.max_length)


def _room(config: Config) -> Room:
    gpu = gpu_memory_bytes() if config.device != "cpu" else None
    if gpu is not None:
        return Room("cuda", *gpu)
    if config.device == "cuda":
        return Room("cuda", _UNKNOWN, _UNKNOWN)
    free = free_memory_bytes()
    return Room("cpu", free, free)
