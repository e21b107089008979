"""The memory of a training before anything is loaded. Imports nothing heavy."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from so8t_shared.config.model import Config
from so8t_shared.errors import ConfigError, InputError
from so8t_shared.formatting import size
from so8t_shared.free_memory import free_memory_bytes, gpus_memory_bytes
from so8t_shared.splits import sides_of_paths
from so8t_trainer.data.check import small_source
from so8t_trainer.data.prepare import prepare_data
from so8t_trainer.data.read import Reader
from so8t_trainer.encode import EncodedRow, encode_rows, load_encoder
from so8t_trainer.fit import Fit, Room, Subject, compute_bytes, fit_training

_UNKNOWN = 1 << 60
"""Room of a GPU that is on another host."""


def planned_memory(config: Config) -> str | None:
    """Return how much memory a training needs; None if there is none, or if the base is not known here.

    By the rows if they are here and few; else by rows of training.max_length.
    """
    base, (room, _) = Path(config.base_of_b.base_model), _room(config)
    if config.external_b or not base.is_dir():
        return None
    try:
        rows = _rows(config, base)
        subject = Subject.of(base, rows) if rows else Subject.supposed(base, config.training)
        fit = _fit(subject, config, room)
    except InputError:
        return None
    except ConfigError as error:
        return f"training would not start: {error.what} To do: {error.remedy}"
    known = room.free_bytes < _UNKNOWN
    sentence = fit.sentence() if known else f"needs about {size(fit.needed.total)} on a GPU"
    return "; ".join([f"training {sentence}", f"longest row {subject.longest:,} tokens", *fit.why])


def demand_memory(config: Config) -> list[str]:
    """Check, before a run on this host, that training will have the memory that it certainly needs.

    By the rows that will be trained on, if they are here and few; else rows of a single token must fit. Nothing is
    checked if the base is elsewhere, or if it is unclear which GPU will train.

    Raises:
        ConfigError: it will not; the error says what to lower.
    """
    base, (room, certain) = Path(config.base_of_b.base_model), _room(config)
    if config.external_b or not certain or not base.is_dir():
        return []
    try:
        rows = _rows(config, base)
        if _fits(Subject.of(base, rows) if rows else Subject.least(base), config, room):
            return []
        rows = rows and _training_rows(config, base)  # slower: without test rows, and what the policy leaves out
        _fit(Subject.of(base, rows) if rows else Subject.supposed(base, config.training), config, room)
    except InputError:  # the stage's own check tells
        pass
    return []


def _fit(subject: Subject, config: Config, room: Room) -> Fit:
    return fit_training(subject, config.training, room, compute_bytes(config.training, room.device))


def _fits(subject: Subject, config: Config, room: Room) -> bool:
    try:
        _fit(subject, config, room)
    except ConfigError:
        return False
    return True


def _rows(config: Config, base: Path) -> Sequence[EncodedRow]:
    """Return all rows, encoded; empty if they are elsewhere or too many for a quick look."""
    reader, sides = Reader.of(config.dataset), sides_of_paths(config.dataset.paths)
    sources = [small_source(path, reader, side) for path, side in zip(config.dataset.paths, sides, strict=True)]
    if None in sources:
        return []
    rows = (row.exported() for source in sources for row in source or [])
    return encode_rows(rows, load_encoder(base), config.training.max_length)


def _training_rows(config: Config, base: Path) -> Sequence[EncodedRow]:
    """Return the rows as training will see them."""
    quiet = logging.Logger("so8t-ab.planned", logging.CRITICAL)
    train = prepare_data(config.dataset, config.test_data, quiet).train
    return encode_rows(train, load_encoder(base), config.training.max_length)


def _room(config: Config) -> tuple[Room, bool]:
    """Return the memory of the device that will train here, and whether it certainly is that device."""
    gpus = gpus_memory_bytes() if config.device != "cpu" else []
    if gpus:
        chosen = len(gpus) == 1 and "CUDA_VISIBLE_DEVICES" not in os.environ
        return Room("cuda", *gpus[0]), chosen and not _torch_for_cpu()
    if config.device == "cuda":
        return Room("cuda", _UNKNOWN, _UNKNOWN), False
    free = free_memory_bytes()
    return Room("cpu", free, free), True


def _torch_for_cpu() -> bool:
    """Whether torch is a build that sees no GPU, as far as its version tells."""
    return metadata.version("torch").endswith("+cpu")
